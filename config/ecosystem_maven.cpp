#include "config/document.hpp"
#include "config/ecosystem_readers.hpp"
#include "config/ini.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <sstream>

namespace cofferdam::config {
namespace {

namespace fs = std::filesystem;

constexpr auto super_pom = "org/apache/maven/model/pom-4.0.0.xml"; ///< inside maven-model-builder's jar
constexpr std::size_t max_wrapper_folders = 1000;

/// "${x}" replaced; what nobody defines is an error, since a repository would be missing.
std::string resolve(const xml_element& element, const std::string& file, const xml_element& root, const variable_lookup& lookup)
{
    const auto property = [&](const std::string& name) -> std::string {
        for (const auto* properties : root.find("project/properties")) {
            if (const auto own = properties->child_text(name); !own.empty()) return std::string(own);
        }
        return lookup(name);
    };
    auto out = expand_variables(expand_variables(element.text, property), property);
    if (out.find("${") != std::string::npos) {
        throw config_error({file, element.line, 1}, "the property in '" + escape_line(out) +
                                                        "' is not known outside Maven; "
                                                        "write the repository under 'allow' instead of the preset maven");
    }
    return out;
}

const xml_element* child(const xml_element& element, std::string_view name)
{
    const auto found = element.find(name);
    return found.empty() ? nullptr : found.front();
}

bool is_local(std::string_view url)
{
    return url.starts_with("file:") || url.find("://localhost") != std::string_view::npos ||
           url.find("://127.0.0.1") != std::string_view::npos;
}

/// The installed Maven: MAVEN_HOME, the folder above the mvn that would run, and what the wrapper has installed.
std::vector<fs::path> maven_homes(const surroundings& here)
{
    std::vector<fs::path> out;
    std::error_code failed;
    for (const auto* name : {"MAVEN_HOME", "M2_HOME"}) {
        if (const auto value = here.variable(name); !value.empty()) out.emplace_back(value);
    }
    if (const auto program = find_program(here, "mvn")) {
        out.push_back(fs::canonical(*program, failed).parent_path().parent_path());
    }
    const auto wrapped = here.home / ".m2/wrapper/dists";
    std::size_t seen = 0;
    for (fs::recursive_directory_iterator at(wrapped, failed), end; !failed && at != end && ++seen < max_wrapper_folders;
         at.increment(failed)) {
        if (at.depth() >= 3) at.disable_recursion_pending();
        if (at->path().filename() == "lib" && at->is_directory(failed)) out.push_back(at->path().parent_path());
    }
    return out;
}

std::optional<fs::path> model_builder_jar(const fs::path& maven_home)
{
    std::error_code failed;
    for (fs::directory_iterator at(maven_home / "lib", failed), end; !failed && at != end; at.increment(failed)) {
        const auto name = at->path().filename().string();
        if (name.starts_with("maven-model-builder") && name.ends_with(".jar")) return at->path();
    }
    return std::nullopt;
}

/// A member of a jar, through whichever of the usual programs is there.
std::optional<std::string> read_member(const surroundings& here, const fs::path& jar, const std::string& member)
{
    const auto unzipped = ask_client(here, "unzip", {"-p", jar.string(), member});
    if (unzipped && unzipped->status == 0) return unzipped->output;
    constexpr auto script = "import sys, zipfile; sys.stdout.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]).decode())";
    const auto printed = ask_client(here, "python3", {"-I", "-c", script, jar.string(), member});
    if (printed && printed->status == 0) return printed->output;
    return std::nullopt;
}

class maven_reader {
public:
    explicit maven_reader(const surroundings& here) : here_(here), homes_(maven_homes(here)) {}

    std::vector<policy::entry_source> read()
    {
        const auto project = project_folder();
        const auto arguments = read_if_there(project / ".mvn/maven.config").value_or("") + '\n' + here_.variable("MAVEN_ARGS");
        const auto user = option(arguments, "-s", "--settings");
        const auto global = option(arguments, "-gs", "--global-settings");
        merge(user.empty() ? here_.home / ".m2/settings.xml" : project / here_.expand_home(user));
        merge(project / ".mvn/settings.xml");
        if (!global.empty())
            merge(project / here_.expand_home(global));
        else if (!homes_.empty())
            merge(homes_.front() / "conf/settings.xml");
        merge(project / "pom.xml");
        add_super_pom();
        if (settings_.repositories.empty() && settings_.mirrors.empty()) {
            out_.fail("", "Maven is not installed, and neither settings.xml nor pom.xml names a repository; write a mirror into "
                          "~/.m2/settings.xml, or the repository's URL under 'allow'");
        }
        for (const auto& repository : settings_.repositories) add(repository);
        if (!central_known_) add_mirrors_of_central();
        add_wrapper(project / ".mvn/wrapper/maven-wrapper.properties");
        return out_.take();
    }

private:
    fs::path project_folder() const
    {
        std::error_code failed;
        for (const auto& folder : here_.folders_upwards()) {
            if (fs::is_directory(folder / ".mvn", failed) || fs::exists(folder / "pom.xml", failed)) return folder;
        }
        return here_.folder;
    }

    /// The value of an option in arguments divided by white space: "-s FILE", "--settings=FILE".
    static std::string option(const std::string& arguments, const std::string& brief, const std::string& full)
    {
        std::istringstream in(arguments);
        for (std::string word; in >> word;) {
            if (word == brief || word == full) return in >> word ? word : std::string();
            if (word.starts_with(full + '=')) return word.substr(full.size() + 1);
        }
        return {};
    }

    void merge(const fs::path& file)
    {
        const auto text = read_if_there(file);
        if (!text) return;
        merge_maven_file(
            *text, file.string(), [this](const std::string& name) { return property(name); }, settings_);
    }

    std::string property(const std::string& name) const
    {
        if (name.starts_with("env.")) return here_.variable(name.substr(4));
        return name == "user.home" ? here_.home.string() : std::string();
    }

    void add_super_pom()
    {
        for (const auto& home : homes_) {
            const auto jar = model_builder_jar(home);
            const auto text = jar ? read_member(here_, *jar, super_pom) : std::nullopt;
            if (!text) continue;
            merge_maven_file(
                *text, jar->string(), [](const std::string&) { return std::string(); }, settings_);
            central_known_ = true;
            return;
        }
    }

    /// The repository, or the mirror that stands for it: one that names it alone before one with a pattern.
    void add(const maven_repository& repository)
    {
        const maven_settings::mirror* chosen = nullptr;
        for (const auto& mirror : settings_.mirrors) {
            if (mirror.of == repository.id) {
                chosen = &mirror;
                break;
            }
            if (chosen == nullptr && mirror_covers(mirror.of, repository.id, repository.url.value)) chosen = &mirror;
        }
        if (chosen == nullptr)
            out_.add("GET,HEAD", repository.url);
        else if (!chosen->blocked)
            out_.add("GET,HEAD", chosen->url);
    }

    /// Where no Maven tells of its default repository: what would stand for it, or an error.
    void add_mirrors_of_central()
    {
        const auto before = settings_.repositories.size();
        for (const auto& repository : settings_.repositories) {
            if (repository.id == "central") return;
        }
        add({"central", {}});
        if (before == 0 && out_.empty()) {
            out_.fail("", "Maven's own jar, which names its default repository, was not found; set MAVEN_HOME, or write a mirror "
                          "into ~/.m2/settings.xml");
        }
    }

    /// mvnw downloads Maven itself.
    void add_wrapper(const fs::path& file)
    {
        for (const auto& row : parse_ini(read_if_there(file).value_or(""), ini_dialect::npm)) {
            if (row.key != "distributionUrl" && row.key != "wrapperUrl") continue;
            auto url = row.value;
            std::erase(url, '\\'); // "https\://" in properties files
            url.resize(url.rfind('/') == std::string::npos ? 0 : url.rfind('/') + 1);
            out_.add("GET,HEAD", {url, file.string() + ':' + std::to_string(row.line)});
        }
    }

    const surroundings& here_;
    std::vector<fs::path> homes_;
    maven_settings settings_;
    bool central_known_ = false;
    entry_list out_{"maven"};
};

} // namespace

void merge_maven_file(std::string_view text, const std::string& file, const variable_lookup& lookup, maven_settings& into)
{
    int line = 0;
    const auto root = parse_xml(text, line);
    if (!root) {
        const bool too_large = root.error() == errc::too_large;
        throw config_error({file, line, 1}, too_large ? "not read: too large" : "not well-formed XML");
    }
    const auto located = [&](const xml_element& url) {
        return found_text{resolve(url, file, *root, lookup), file + ':' + std::to_string(url.line)};
    };
    for (const auto* mirror : root->find("settings/mirrors/mirror")) {
        const auto* url = child(*mirror, "url");
        if (url == nullptr) continue;
        const bool blocked = mirror->child_text("blocked") == "true";
        into.mirrors.push_back({std::string(mirror->child_text("mirrorOf")), located(*url), blocked});
    }
    for (const auto* path :
         {"settings/profiles/profile/repositories/repository", "project/repositories/repository",
          "settings/profiles/profile/pluginRepositories/pluginRepository", "project/pluginRepositories/pluginRepository",
          "project/profiles/profile/repositories/repository", "project/profiles/profile/pluginRepositories/pluginRepository"}) {
        for (const auto* repository : root->find(path)) {
            const auto* url = child(*repository, "url");
            if (url != nullptr) into.repositories.push_back({std::string(repository->child_text("id")), located(*url)});
        }
    }
}

bool mirror_covers(std::string_view mirror_of, const std::string& id, std::string_view url)
{
    bool covered = false;
    while (!mirror_of.empty()) {
        const auto end = std::min(mirror_of.find(','), mirror_of.size());
        auto pattern = mirror_of.substr(0, end);
        mirror_of.remove_prefix(std::min(end + 1, mirror_of.size()));
        while (pattern.starts_with(' ')) pattern.remove_prefix(1);
        while (pattern.ends_with(' ')) pattern.remove_suffix(1);
        if (pattern.starts_with('!') && pattern.substr(1) == id) return false;
        if (pattern == "*" || pattern == id) covered = true;
        if (pattern == "external:*" && !is_local(url)) covered = true;
        if (pattern == "external:http:*" && url.starts_with("http://") && !is_local(url)) covered = true;
    }
    return covered;
}

std::vector<policy::entry_source> read_maven(const surroundings& here)
{
    return maven_reader(here).read();
}

} // namespace cofferdam::config
