#include "machine.hpp"

namespace cofferdam::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using maven_test = machine;

const std::string super_pom_text =
    "<project>\n<repositories><repository><id>central</id>\n<url>https://central.example/maven2</url>"
    "</repository></repositories>\n<pluginRepositories><pluginRepository><id>central</id>"
    "<url>https://central.example/maven2</url></pluginRepository></pluginRepositories></project>";

/// A Maven whose jar is "read" by an unzip that knows one member.
class maven_installed : public maven_test {
protected:
    maven_installed()
    {
        here.environment["MAVEN_HOME"] = (base / "maven").string();
        write("maven/lib/maven-model-builder-3.9.jar", super_pom_text);
        program("unzip", "[ \"$1 $3\" = '-p org/apache/maven/model/pom-4.0.0.xml' ] && cat \"$2\"");
    }
};

TEST_F(maven_installed, the_default_is_in_maven_s_own_jar)
{
    EXPECT_THAT(read(read_maven), ElementsAre("GET,HEAD https://central.example/maven2/ <- preset maven "
                                              "(~/maven/lib/maven-model-builder-3.9.jar:3)"));
}

TEST_F(maven_installed, mirrors_stand_for_repositories)
{
    write("home/.m2/settings.xml", "<settings><mirrors>\n<mirror><id>m</id><mirrorOf>*,!other</mirrorOf>\n"
                                   "<url>https://${env.MIRROR}/m2/</url></mirror></mirrors></settings>");
    here.environment["MIRROR"] = "mirror.example";
    write("project/pom.xml", "<project><repositories><repository><id>other</id><url>https://other.example/r</url></repository>"
                             "<repository><id>third</id><url>https://third.example/</url></repository></repositories></project>");
    EXPECT_THAT(read(read_maven), ElementsAre(HasSubstr("https://other.example/r/ <- preset maven (~/project/pom.xml:1)"),
                                              "GET,HEAD https://mirror.example/m2/ <- preset maven (~/home/.m2/settings.xml:3)"));
}

TEST_F(maven_installed, blocked_mirrors_and_http)
{
    write("maven/conf/settings.xml", "<settings><mirrors><mirror><mirrorOf>external:http:*</mirrorOf><url>http://0.0.0.0/</url>"
                                     "<blocked>true</blocked></mirror></mirrors></settings>");
    write("project/pom.xml", "<project><repositories><repository><id>a</id><url>http://plain.example/</url></repository>"
                             "</repositories></project>");
    EXPECT_THAT(read(read_maven), ElementsAre(HasSubstr("https://central.example/maven2/")));
}

TEST_F(maven_installed, settings_by_option_profiles_and_properties)
{
    write("project/.mvn/maven.config", "-T4\n--settings=ci/settings.xml\n");
    write("project/ci/settings.xml",
          "<settings><profiles><profile><repositories><repository><id>p</id>"
          "<url>https://profile.example/</url></repository></repositories></profile></profiles></settings>");
    write("project/pom.xml", "<project><properties><host>prop.example</host></properties><repositories><repository><id>q</id>"
                             "<url>https://${host}/</url></repository></repositories></project>");
    here.folder = base / "project/module/src";
    std::filesystem::create_directories(here.folder);
    EXPECT_THAT(read(read_maven), ElementsAre(HasSubstr("https://profile.example/"), HasSubstr("https://prop.example/"),
                                              HasSubstr("https://central.example/maven2/")));
    write("project/pom.xml",
          "<project><repositories><repository>\n<url>https://${revision}/</url></repository></repositories></project>");
    EXPECT_THAT(error(read_maven),
                testing::StartsWith("~/project/pom.xml:2:1: the property in 'https://${revision}/' is not known"));
}

TEST_F(maven_installed, the_wrapper_s_downloads)
{
    write("project/.mvn/wrapper/maven-wrapper.properties",
          "distributionUrl=https\\://dist.example/maven/3.9/apache-maven-bin.zip\n");
    EXPECT_THAT(read(read_maven), ElementsAre(HasSubstr("central"), "GET,HEAD https://dist.example/maven/3.9/ <- preset maven "
                                                                    "(~/project/.mvn/wrapper/maven-wrapper.properties:1)"));
}

TEST_F(maven_test, without_maven)
{
    EXPECT_THAT(error(read_maven), testing::StartsWith("preset maven: Maven is not installed"));
    write("home/.m2/settings.xml", "<settings><mirrors><mirror><mirrorOf>central</mirrorOf><url>https://m.example/</url></mirror>"
                                   "</mirrors></settings>");
    EXPECT_THAT(read(read_maven), ElementsAre(HasSubstr("https://m.example/")));
    write("home/.m2/settings.xml", "<settings>\n<mirrors>\n</settings>");
    EXPECT_EQ(error(read_maven), "~/home/.m2/settings.xml:3:1: not well-formed XML");
}

TEST(maven_mirrors, patterns)
{
    EXPECT_TRUE(mirror_covers("*", "a", "https://a.example"));
    EXPECT_TRUE(mirror_covers("b, a", "a", "https://a.example"));
    EXPECT_FALSE(mirror_covers("*,!a", "a", "https://a.example"));
    EXPECT_FALSE(mirror_covers("b", "a", "https://a.example"));
    EXPECT_TRUE(mirror_covers("external:*", "a", "https://a.example"));
    EXPECT_FALSE(mirror_covers("external:*", "a", "file:///srv"));
    EXPECT_FALSE(mirror_covers("external:*", "a", "http://localhost:8081/"));
    EXPECT_TRUE(mirror_covers("external:http:*", "a", "http://a.example"));
    EXPECT_FALSE(mirror_covers("external:http:*", "a", "https://a.example"));
    EXPECT_FALSE(mirror_covers("", "a", "https://a.example"));
}

} // namespace
} // namespace cofferdam::config
