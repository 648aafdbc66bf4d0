#include "config/yaml_bounds.hpp"

#include "config/document.hpp"

#include <map>
#include <optional>
#include <sstream>
#include <vector>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

namespace cofferdam::config {
namespace {

/// Counts nodes as the parser reports them.
class node_counter : public YAML::EventHandler {
public:
    explicit node_counter(std::string file) : file_(std::move(file)) {}

    void OnDocumentStart(const YAML::Mark&) override { anchors_.clear(); }
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { leaf(mark, anchor); }
    void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, const std::string&) override
    {
        leaf(mark, anchor);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override
    {
        open(mark, anchor);
    }
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override
    {
        open(mark, anchor);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapEnd() override { close(); }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override
    {
        const auto named = anchors_.find(anchor);
        if (named == anchors_.end()) return add(mark, 1);
        if (!named->second) fail(mark, "this alias stands inside what it names");
        add(mark, *named->second);
    }

private:
    struct collection {
        YAML::anchor_t anchor;
        std::size_t size_before;
    };

    [[noreturn]] void fail(const YAML::Mark& mark, const std::string& message) const
    {
        throw config_error({file_, mark.line + 1, mark.column + 1}, message);
    }

    void add(const YAML::Mark& mark, std::size_t nodes)
    {
        size_ += nodes; // no overflow: both are at most max_yaml_nodes
        if (size_ > max_yaml_nodes) fail(mark, "more than " + std::to_string(max_yaml_nodes) + " values, aliases expanded");
    }

    void leaf(const YAML::Mark& mark, YAML::anchor_t anchor)
    {
        add(mark, 1);
        if (anchor != 0) anchors_[anchor] = 1;
    }

    void open(const YAML::Mark& mark, YAML::anchor_t anchor)
    {
        if (open_.size() == max_yaml_depth) fail(mark, "nested deeper than " + std::to_string(max_yaml_depth) + " levels");
        open_.push_back({anchor, size_});
        add(mark, 1);
        if (anchor != 0) anchors_[anchor] = std::nullopt;
    }

    void close()
    {
        const auto done = open_.back();
        open_.pop_back();
        if (done.anchor != 0) anchors_[done.anchor] = size_ - done.size_before;
    }

    std::string file_;
    std::size_t size_ = 0;
    std::vector<collection> open_;
    std::map<YAML::anchor_t, std::optional<std::size_t>> anchors_; ///< expanded size; none while open
};

} // namespace

void check_yaml_bounds(const std::string& text, const std::string& file)
{
    std::istringstream in(text);
    YAML::Parser parser(in);
    node_counter counter(file);
    while (parser.HandleNextDocument(counter)) {}
}

} // namespace cofferdam::config
