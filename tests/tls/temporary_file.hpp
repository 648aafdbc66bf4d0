#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unistd.h>

namespace cofferdam::tls::test {

/// A file with this content, removed at the end.
class temporary_file {
public:
    explicit temporary_file(std::string_view content)
    {
        std::string name = std::filesystem::temp_directory_path() / "cofferdam-tls-XXXXXX";
        const int descriptor = ::mkstemp(name.data());
        if (descriptor < 0) throw std::runtime_error("mkstemp");
        ::close(descriptor);
        path_ = name;
        std::ofstream(path_, std::ios::binary) << content;
    }
    ~temporary_file() { std::filesystem::remove(path_); }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;

    std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

} // namespace cofferdam::tls::test
