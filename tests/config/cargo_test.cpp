#include "config/cargo_client.hpp"
#include "machine.hpp"

namespace cofferdam::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using cargo_test = machine;

/// What cargo does when it is asked: with the dead proxy it complains, without it leaves config.json in its home.
const std::string built_in_cargo = R"(
if [ -n "$CARGO_HTTP_PROXY" ]; then
  echo "error: failed to download from \`https://index.crates.example/config.json\`" >&2; exit 101
fi
case "$CARGO_HOME" in "$HOME"*) exit 1;; esac
mkdir -p "$CARGO_HOME/registry/index/index.crates.example-0123456789abcdef"
echo '{"dl": "https://static.crates.example/crates", "api": "https://crates.example"}' \
  > "$CARGO_HOME/registry/index/index.crates.example-0123456789abcdef/config.json"
exit 101)";

TEST_F(cargo_test, the_built_in_registry_is_what_cargo_reports)
{
    program("cargo", built_in_cargo);
    EXPECT_THAT(
        read(read_cargo),
        ElementsAre("GET,HEAD https://index.crates.example/ <- preset cargo (as cargo reports it)",
                    "GET,HEAD https://static.crates.example/crates/ <- preset cargo (the index's config.json, fetched by cargo)",
                    "GET,HEAD https://crates.example/ <- preset cargo (the index's config.json, fetched by cargo)"));
}

TEST_F(cargo_test, what_is_cached_is_not_fetched)
{
    program("cargo",
            "[ -n \"$CARGO_HTTP_PROXY\" ] || exit 1\necho 'from `https://index.crates.example/config.json`' >&2; exit 101");
    write("home/.cargo/registry/index/index.crates.example-0123456789abcdef/config.json",
          R"({"dl": "https://dl.example/{crate}/{version}.crate", "api": null})");
    write("home/.cargo/registry/index/other.example-0123456789abcdef/config.json", R"({"dl": "https://not.example/"})");
    EXPECT_THAT(read(read_cargo), ElementsAre(HasSubstr("https://index.crates.example/"),
                                              "GET,HEAD https://dl.example/ <- preset cargo (~/home/.cargo/registry/index/"
                                              "index.crates.example-0123456789abcdef/config.json)"));
}

TEST_F(cargo_test, without_an_answer_there_is_an_error)
{
    EXPECT_THAT(error(read_cargo), StartsWith("preset cargo: cargo is not installed"));
    program("cargo", "[ -n \"$CARGO_HTTP_PROXY\" ] && echo 'from `https://index.crates.example/config.json`' >&2; exit 101");
    EXPECT_THAT(error(read_cargo), HasSubstr("did not get the index's config.json"));
}

TEST_F(cargo_test, source_replacement)
{
    write("home/.cargo/config.toml", "[source.crates-io]\nreplace-with = \"mirror\"\n[source.mirror]\n"
                                     "registry = \"sparse+https://mirror.example/index/\"\n");
    EXPECT_THAT(read(read_cargo), ElementsAre("GET,HEAD https://mirror.example/ <- preset cargo (~/home/.cargo/config.toml:4, "
                                              "downloads expected on the same origin)"));
    write("project/.cargo/config.toml",
          "[source.crates-io]\nreplace-with = 'vendored'\n[source.vendored]\ndirectory = 'vendor'\n");
    EXPECT_THAT(read(read_cargo), IsEmpty());
    write("project/.cargo/config.toml",
          "[source]\ncrates-io = { replace-with = 'acme' }\n[registries]\nacme.index = 'https://g.example/i.git'\n");
    EXPECT_THAT(read(read_cargo),
                ElementsAre(HasSubstr("GET,HEAD,POST https://g.example/i.git/ <- preset cargo (~/project/.cargo"),
                            HasSubstr("GET,HEAD https://g.example/ <-")));
}

TEST_F(cargo_test, replacements_that_lead_nowhere)
{
    write("home/.cargo/config.toml", "[source.crates-io]\nreplace-with = 'a'\n[source.a]\nreplace-with = 'crates-io'\n");
    EXPECT_THAT(error(read_cargo), HasSubstr("sources replace each other in a circle"));
    write("home/.cargo/config.toml", "[source.crates-io]\nreplace-with = 'a'\n");
    EXPECT_EQ(error(read_cargo),
              "preset cargo (~/home/.cargo/config.toml:2): 'a' is neither a source nor a registry that cargo knows");
    write("home/.cargo/config.toml", "[source.crates-io\n");
    EXPECT_EQ(error(read_cargo), "~/home/.cargo/config.toml:1:1: not valid TOML");
}

TEST_F(cargo_test, registries_of_files_and_variables)
{
    program("cargo", built_in_cargo);
    here.environment["CARGO_REGISTRIES_MY_REG_INDEX"] = "sparse+https://variable.example/";
    write("home/.cargo/config.toml", "[registries.my-reg]\nindex = 'sparse+https://file.example/'\n"
                                     "[registries.ssh]\nindex = 'ssh://git@s.example/i.git'\n");
    EXPECT_THAT(read(read_cargo), testing::UnorderedElementsAre(
                                      HasSubstr("https://variable.example/ <- preset cargo (CARGO_REGISTRIES_MY_REG_INDEX"),
                                      HasSubstr("s.example:22 <- "), HasSubstr("https://index.crates.example/"),
                                      HasSubstr("static.crates.example/crates/"), HasSubstr("https://crates.example/")));
}

TEST_F(cargo_test, a_repository_does_not_choose_where_the_start_goes)
{
    const auto asked = (base / "asked").string();
    program("cargo", "echo \"$CARGO_REGISTRIES_PROBE_INDEX\" >> '" + asked + "'\n" + built_in_cargo);
    write("project/.cargo/config.toml", "[registries.theirs]\nindex = 'sparse+https://theirs.example/'\n");
    write("home/.cargo/config.toml", "[registries.mine]\nindex = 'sparse+https://mine.example/'\n");
    read(read_cargo);
    const auto indices = read_if_there(asked);
    EXPECT_THAT(indices.value_or(""), HasSubstr("sparse+https://mine.example/"));
    EXPECT_THAT(indices.value_or(""), testing::Not(HasSubstr("theirs.example")));
}

TEST_F(cargo_test, extra_roots_are_trusted_for_the_question)
{
    here.extra_roots = {write("roots/a.pem", "EXTRA ROOT")};
    const auto seen = (base / "seen").string();
    program("cargo", "[ -n \"$CARGO_HTTP_CAINFO\" ] && cp \"$CARGO_HTTP_CAINFO\" '" + seen + "'\n" + built_in_cargo);
    read(read_cargo);
    EXPECT_THAT(read_if_there(seen).value_or(""), HasSubstr("EXTRA ROOT"));
}

TEST(cargo_answers, complaints)
{
    EXPECT_EQ(index_in_complaint("x `https://i.example/a/config.json` y")->url, "https://i.example/a/");
    EXPECT_TRUE(index_in_complaint("`https://i.example/config.json`")->sparse);
    EXPECT_FALSE(index_in_complaint("failed to fetch `https://g.example/index`")->sparse);
    EXPECT_EQ(index_in_complaint("DEBUG cargo: url=\"https://i.example/config.json\" id=3\nfailed")->url, "https://i.example/");
    for (const auto* other :
         {"", "`", "`http", "url=\"http", "url=\"https://", "url=\"\"", "`https://", "no `url` here", "`https:// x`"}) {
        const auto found = index_in_complaint(other);
        EXPECT_TRUE(!found || found->url == "https://") << other;
    }
}

TEST(cargo_answers, index_config)
{
    EXPECT_EQ(parse_index_config(R"({"dl": "https://d.example/api/v1/crates"})")->downloads, "https://d.example/api/v1/crates/");
    EXPECT_EQ(parse_index_config(R"({"dl": "https://d.example/{prefix}/x"})")->downloads, "https://d.example/");
    EXPECT_EQ(parse_index_config(R"({"dl": "https://d.example/p-{crate}"})")->downloads, "https://d.example/");
    EXPECT_FALSE(parse_index_config(R"({"dl": "file:///x"})"));
    EXPECT_FALSE(parse_index_config(R"({"dl": 5})"));
    EXPECT_FALSE(parse_index_config("[]"));
    EXPECT_FALSE(parse_index_config("{"));
}

} // namespace
} // namespace cofferdam::config
