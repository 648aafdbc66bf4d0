#include "machine.hpp"

namespace cofferdam::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;
using npm_test = machine;

const std::string reports_default =
    R"(echo '{"registry": "https://default.npm.example/", "yes": false, "@old:registry": "https://old.example/n/"}')";

TEST_F(npm_test, the_default_is_what_npm_reports)
{
    program("npm", "[ \"$*\" = 'config list --json' ] && " + reports_default);
    EXPECT_THAT(read(read_npm), UnorderedElementsAre("https://default.npm.example/ <- preset npm (as npm reports it)",
                                                     "https://old.example/n/ <- preset npm (as npm reports it)"));
}

TEST_F(npm_test, without_npm_and_without_a_registry_there_is_an_error)
{
    EXPECT_THAT(error(read_npm), testing::StartsWith("preset npm: npm is not installed (or did not answer), and no .npmrc"));
    program("npm", "echo garbage");
    EXPECT_THAT(error(read_npm), HasSubstr("did not answer"));
    program("npm", "exit 1");
    EXPECT_THAT(error(read_npm), HasSubstr("did not answer"));
}

TEST_F(npm_test, files_in_npm_s_order)
{
    write("home/.npmrc", "\nregistry=https://user.example/\n@acme:registry=https://acme-user.example/\n");
    EXPECT_THAT(read(read_npm), UnorderedElementsAre("https://user.example/ <- preset npm (~/home/.npmrc:2)",
                                                     "https://acme-user.example/ <- preset npm (~/home/.npmrc:3)"));
    write("project/package.json", "{}");
    write("project/.npmrc", "registry=https://${WHERE}/npm\n//project.example/:_authToken=secret\n");
    here.environment["WHERE"] = "project.example";
    EXPECT_THAT(read(read_npm), UnorderedElementsAre("https://project.example/npm/ <- preset npm (~/project/.npmrc:1)",
                                                     "https://acme-user.example/ <- preset npm (~/home/.npmrc:3)"));
    here.environment["NPM_CONFIG_REGISTRY"] = "https://u:p@variable.example";
    here.environment["npm_config_@acme:registry"] = "http://acme.example:4873";
    EXPECT_THAT(read(read_npm), UnorderedElementsAre("https://variable.example/ <- preset npm (npm_config_registry)",
                                                     "http://acme.example:4873/ <- preset npm (npm_config_@acme:registry)"));
}

TEST_F(npm_test, the_project_is_found_from_below_and_workspaces_have_a_root)
{
    write("project/package.json", R"({"workspaces": ["packages/*"]})");
    write("project/.npmrc", "registry=https://root.example/\n");
    write("project/packages/a/package.json", "{}");
    here.folder = base / "project/packages/a/src";
    std::filesystem::create_directories(here.folder);
    EXPECT_THAT(read(read_npm), ElementsAre("https://root.example/ <- preset npm (~/project/.npmrc:1)"));
    write("project/package.json", "{}");
    EXPECT_THAT(error(read_npm), HasSubstr("npm is not installed"));
}

TEST_F(npm_test, other_places_of_files)
{
    here.environment["npm_config_userconfig"] = write("ci/npmrc", "registry=https://ci.example/\n");
    here.environment["npm_config_globalconfig"] = write("ci/global", "@g:registry=https://global.example/\n");
    EXPECT_THAT(read(read_npm), UnorderedElementsAre("https://ci.example/ <- preset npm (~/ci/npmrc:1)",
                                                     "https://global.example/ <- preset npm (~/ci/global:1)"));
}

TEST_F(npm_test, a_registry_that_is_no_url_is_a_located_error)
{
    write("home/.npmrc", "registry=registry.npm.example\n");
    EXPECT_EQ(error(read_npm), "preset npm (~/home/.npmrc:1): the registry is not an http or https URL");
    write("home/.npmrc", "registry=https://${UNSET}/\n");
    EXPECT_THAT(error(read_npm), HasSubstr("preset npm (~/home/.npmrc:1): a variable in 'https://${UNSET}/' is not set"));
}

TEST_F(npm_test, hosts_of_the_lock_file)
{
    write("home/.npmrc", "registry=https://r.example/npm/\n");
    const auto lock = write("project/package-lock.json", R"({"lockfileVersion": 3, "packages": {"": {"name": "a"},
        "node_modules/b": {"resolved": "https://r.example/npm/b/-/b-1.tgz"},
        "node_modules/c": {"resolved": "https://c.example:8443/c.tgz#x"},
        "node_modules/d": {"resolved": "git+ssh://git@g.example/d.git#abc"},
        "node_modules/e": {"resolved": "http://plain.example/e.tgz"},
        "node_modules/f": {"resolved": "../f", "link": true},
        "node_modules/g": {"resolved": "https://r.example/other/g.tgz"}}})");
    EXPECT_THAT(read(read_npm), ElementsAre("https://r.example/npm/ <- preset npm (~/home/.npmrc:1)",
                                            "GET,HEAD https://c.example:8443/ <- preset npm (~/project/package-lock.json)",
                                            "GET,HEAD https://r.example/ <- preset npm (~/project/package-lock.json)"));
    write("project/npm-shrinkwrap.json", R"({"dependencies": {"b": {"resolved": "https://s.example/b.tgz",
        "dependencies": {"c": {"resolved": "https://t.example/c.tgz"}}}}})");
    EXPECT_THAT(read(read_npm),
                ElementsAre(HasSubstr("r.example"), HasSubstr("https://s.example/ <- preset npm (~/project/npm-shr"),
                            HasSubstr("https://t.example/")));
}

TEST_F(npm_test, a_lock_file_that_is_not_json)
{
    write("home/.npmrc", "registry=https://r.example/\n");
    write("project/package-lock.json", "{\n  \"a\": nope\n}");
    EXPECT_THAT(error(read_npm), testing::StartsWith("~/project/package-lock.json:2:"));
    write("project/package-lock.json", std::string(1'000'000, '['));
    EXPECT_THAT(error(read_npm), HasSubstr("not a JSON lock file"));
    write("project/package-lock.json", "{} {}");
    EXPECT_THAT(error(read_npm), HasSubstr("not a JSON lock file"));
    write("project/package-lock.json", "");
    EXPECT_THAT(error(read_npm), HasSubstr("not a JSON lock file"));
}

} // namespace
} // namespace cofferdam::config
