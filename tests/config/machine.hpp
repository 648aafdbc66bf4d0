#pragma once

#include "config/document.hpp"
#include "config/ecosystem_readers.hpp"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

namespace cofferdam::config {

/// A machine in a temporary folder: a home, a project in it or beside it, etc/, and a PATH of programs written by the test.
/// Programs are real ones (shell scripts), so that the questions to clients are asked as they are in the field.
class machine : public testing::Test {
protected:
    machine()
    {
        std::string pattern = testing::TempDir() + "machine-XXXXXX";
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
        base = pattern;
        here.folder = base / "project";
        here.home = base / "home";
        here.system = base;
        here.environment = {{"HOME", here.home.string()}, {"PATH", (base / "bin").string()}};
        for (const auto* folder : {"project", "home", "bin", "etc"}) std::filesystem::create_directories(base / folder);
    }
    ~machine() override { std::filesystem::remove_all(base); }

    /// Writes a file below the base folder; its path.
    std::string write(const std::string& name, const std::string& text) const
    {
        const auto path = base / name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path, std::ios::binary) << text;
        return path.string();
    }

    /// A shell script on the PATH.
    void program(const std::string& name, const std::string& script) const
    {
        const auto path = write("bin/" + name, "#!/bin/sh\nPATH=/usr/bin:/bin\n" + script + "\n");
        std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    }

    /// "ENTRY <- SOURCE" of each entry, the base folder written "~".
    template <class Read>
    std::vector<std::string> read(Read reader) const
    {
        std::vector<std::string> out;
        for (const auto& entry : reader(here)) out.push_back(short_paths(entry.text + " <- " + entry.where.file));
        return out;
    }

    template <class Read>
    std::string error(Read reader) const
    {
        try {
            reader(here);
        }
        catch (const config_error& wrong) {
            return short_paths(wrong.what());
        }
        return "no error";
    }

    std::string short_paths(std::string text) const
    {
        for (auto at = text.find(base.string()); at != std::string::npos; at = text.find(base.string())) {
            text.replace(at, base.string().size(), "~");
        }
        return text;
    }

    std::filesystem::path base;
    surroundings here;
};

} // namespace cofferdam::config
