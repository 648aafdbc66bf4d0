#include "core/siphash.hpp"
#include "core/zone.hpp"
#include "dns/name_model.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <regex>

using namespace cofferdam;
using namespace cofferdam::dns;

namespace {

double share_of(std::uint32_t cost)
{
    return std::exp2(-static_cast<double>(cost) / 8);
}

} // namespace

TEST(label_code, prices_labels_as_the_training_did)
{
    std::ifstream in(COFFERDAM_TEST_VECTORS);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const std::regex vector(R"re("label":\s*"([^"]*)",\s*"eighth_bits":\s*(\d+))re");
    std::size_t seen = 0;
    for (auto at = std::sregex_iterator(text.begin(), text.end(), vector); at != std::sregex_iterator(); ++at, ++seen) {
        EXPECT_EQ(name_model::shipped().labels.price((*at)[1].str()).cost, std::stoul((*at)[2].str())) << (*at)[1];
    }
    EXPECT_EQ(seen, 15U);
}

// At most 2^B labels cost B bits or less, whatever an encoder does: the sums of Kraft's inequality are at most one.
TEST(label_code, obeys_krafts_inequality)
{
    const auto& code = name_model::shipped().labels;
    for (std::size_t before_last = 0; before_last < label_code::contexts; ++before_last) {
        for (std::size_t last = 0; last < label_code::contexts; ++last) {
            double sum = 0;
            for (std::size_t symbol = 0; symbol < label_code::symbols; ++symbol)
                sum += share_of(code.symbol_cost(before_last, last, symbol));
            ASSERT_LE(sum, 1.0) << before_last << ' ' << last;
        }
    }
    double words = 0;
    for (const auto& word : code.words()) words += share_of(word.cost);
    EXPECT_EQ(code.words().size(), 4096U);
    EXPECT_LE(words, 1.0);
}

TEST(label_code, refuses_tables_that_are_none)
{
    const std::vector<std::uint8_t> order2(label_code::contexts * label_code::contexts * label_code::symbols, 40);
    EXPECT_TRUE(label_code::parse(order2, "www\t34\napi\t46\n"));
    EXPECT_FALSE(label_code::parse(byte_view(order2).first(order2.size() - 1), "www\t34\n"));
    for (const char* bad : {"www 34\n", "\t34\n", "www\t\n", "www\tx\n", "w.w\t34\n", "WWW\t34\n", "www\t99999\n", "www\t34 \n"})
        EXPECT_FALSE(label_code::parse(order2, bad)) << bad;
}

TEST(name_set, finds_what_is_listed)
{
    const auto& known = name_model::shipped();
    EXPECT_GT(known.popular.size(), 20'000U);
    EXPECT_TRUE(known.popular.contains("github.com"));
    EXPECT_FALSE(known.popular.contains("exf6.net"));
    EXPECT_FALSE(known.popular.contains(""));
    EXPECT_FALSE(known.popular.contains("duckdns.org")) << "anybody gets a name below";
    EXPECT_TRUE(known.is_ci_host("api.github.com", "github.com"));
    EXPECT_FALSE(known.is_ci_host("x.api.github.com", "github.com"));
}

TEST(name_set, finds_each_of_many_and_no_other)
{
    for (const std::size_t count : {1U, 2U, 127U, 129U, 5000U}) {
        std::vector<std::array<std::uint8_t, name_set::width>> prints;
        for (std::size_t i = 0; i < count; ++i) prints.push_back(fingerprint("n" + std::to_string(i) + ".example"));
        std::sort(prints.begin(), prints.end());
        std::vector<std::uint8_t> file;
        for (const auto& each : prints) file.insert(file.end(), each.begin(), each.end());
        const auto set = name_set::parse(file).value();
        for (std::size_t i = 0; i < 2 * count; ++i)
            ASSERT_EQ(set.contains("n" + std::to_string(i) + ".example"), i < count) << i << " of " << count;
    }
}

TEST(name_set, refuses_files_that_are_none)
{
    const std::vector<std::uint8_t> twice(2 * name_set::width, 7);
    EXPECT_FALSE(name_set::parse(twice)) << "not ascending";
    EXPECT_FALSE(name_set::parse(byte_view(twice).first(name_set::width + 1)));
    EXPECT_TRUE(name_set::parse(byte_view(twice).first(name_set::width)));
    EXPECT_TRUE(name_set::parse({}));
}

TEST(pattern_of, lets_small_numbers_vary_within_a_domain)
{
    const auto pattern = [](std::string_view name) { return pattern_of(name, purchased_domain(name)); };
    EXPECT_EQ(pattern("build7.eu12.ci4.example").view(), "build#.eu#.ci4.example");
    EXPECT_EQ(pattern("build.ci4.example").size(), 0U);
    EXPECT_EQ(pattern("build2024.ci.example").size(), 0U) << "too long to be a number of a host";
    EXPECT_TRUE(name_model::shipped().is_ci_host("productionresultssa999.blob.core.windows.net", "windows.net"));
    EXPECT_FALSE(name_model::shipped().is_ci_host("productionresultssa1234.blob.core.windows.net", "windows.net"));
}
