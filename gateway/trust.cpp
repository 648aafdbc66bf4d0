#include "gateway/trust.hpp"

#include "core/text.hpp"
#include "tls/trust_store.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace cofferdam::gateway {
namespace {

namespace fs = std::filesystem;

// Where systems keep their bundle; each is a file on some of them and a link on others.
constexpr const char* bundle_paths[] = {
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine
    "/etc/ssl/cert.pem",                  // Alpine, OpenBSD's layout
    "/etc/ssl/ca-bundle.pem",             // SUSE
    "/etc/pki/tls/certs/ca-bundle.crt",   // Red Hat
    "/etc/pki/tls/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/usr/lib/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
};

// The clients that look at a variable before, or instead of, the system's bundle.
constexpr const char* bundle_variables[] = {
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "AWS_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "NIX_SSL_CERT_FILE",
    "BUNDLE_SSL_CA_CERT",
    "HEX_CACERTS_PATH",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "HTTPLIB2_CA_CERTS",
    "PERL_LWP_SSL_CA_FILE",
    "JULIA_SSL_CA_ROOTS_PATH",
};

// Of clients that have roots of their own and add these. They get no more than they need: the whole bundle costs each process of
// Node.js, of which a build starts hundreds, 30 ms.
constexpr const char* additional_variables[] = {"NODE_EXTRA_CA_CERTS", "DENO_CERT"};

// What the caller had these clients trust besides: of such a file the certificates alone. Empty if there are none.
std::string read_additional(const char* path)
{
    std::error_code ec;
    if (path == nullptr || !fs::is_regular_file(path, ec)) return {};
    std::ifstream in(path, std::ios::binary);
    return tls::readable_certificates(std::string(std::istreambuf_iterator<char>(in), {}));
}

std::vector<std::string> java_stores()
{
    std::vector<std::string> out{"/etc/ssl/certs/java/cacerts", "/etc/pki/java/cacerts",
                                 "/etc/pki/ca-trust/extracted/java/cacerts", "/opt/java/openjdk/lib/security/cacerts"};
    if (const char* home = std::getenv("JAVA_HOME")) out.push_back(std::string(home) + "/lib/security/cacerts");
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator("/usr/lib/jvm", ec)) {
        out.push_back((entry.path() / "lib/security/cacerts").string());
        out.push_back((entry.path() / "jre/lib/security/cacerts").string());
    }
    return out;
}

// Shown over each place that exists, once for each real file.
void show_over(const std::vector<std::string>& paths, const std::string& content, std::vector<sandbox::shown_file>& out)
{
    std::vector<fs::path> real;
    for (const auto& path : paths) {
        std::error_code ec;
        if (!fs::is_regular_file(path, ec)) continue;
        const auto target = fs::canonical(path, ec);
        if (ec || std::find(real.begin(), real.end(), target) != real.end()) continue;
        real.push_back(target);
        out.push_back({target.string(), content});
    }
}

} // namespace

trust_material make_trust(const tls::authority& ca)
{
    trust_material out;
    const std::string folder = sandbox::files_directory;
    const std::string system = tls::read_system_bundle();
    const std::string bundle = tls::pem_bundle(system, ca.pem());
    const std::string bundle_file = folder + "/ca-bundle.pem";
    out.files.push_back({bundle_file, bundle});
    out.files.push_back({folder + "/ca.pem", ca.pem()});
    const auto hash = tls::subject_hash_name(ca.pem());
    if (hash) out.files.push_back({folder + "/certs/" + *hash, ca.pem()});
    show_over({std::begin(bundle_paths), std::end(bundle_paths)}, bundle, out.files);
    for (const auto* name : bundle_variables) out.environment.emplace_back(name, bundle_file);
    for (const auto* name : additional_variables) {
        const std::string before = read_additional(std::getenv(name));
        std::string file = folder + "/ca.pem";
        if (!before.empty()) {
            file = folder + '/' + name + ".pem";
            out.files.push_back({file, tls::pem_bundle(ca.pem(), before)});
        }
        out.environment.emplace_back(name, file);
    }
    out.environment.emplace_back("SSL_CERT_DIR", folder + "/certs:/etc/ssl/certs");

    const auto store = tls::java_trust_store(system, ca.pem(), std::chrono::system_clock::now());
    if (!store) throw std::runtime_error("the system's certificate bundle holds a certificate that does not parse");
    const std::string store_bytes(as_text(*store));
    const std::string store_file = folder + "/cacerts.jks";
    out.files.push_back({store_file, store_bytes});
    show_over(java_stores(), store_bytes, out.files);
    std::string java = "-Djavax.net.ssl.trustStore=" + store_file +
                       " -Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword=changeit";
    if (const char* before = std::getenv("JAVA_TOOL_OPTIONS")) java = std::string(before) + ' ' + java;
    out.environment.emplace_back("JAVA_TOOL_OPTIONS", java);
    out.environment.emplace_back("COFFERDAM", "1");
    return out;
}

sandbox::shown_file make_resolv_conf(const std::string& nameserver)
{
    return {"/etc/resolv.conf",
            "# Names are resolved by cofferdam.\nnameserver " + nameserver + "\noptions timeout:5 attempts:2\n"};
}

std::vector<std::string> proxy_variables()
{
    return {"http_proxy",  "https_proxy", "ftp_proxy", "all_proxy", "no_proxy",         "HTTP_PROXY",
            "HTTPS_PROXY", "FTP_PROXY",   "ALL_PROXY", "NO_PROXY",  "npm_config_proxy", "npm_config_https_proxy"};
}

} // namespace cofferdam::gateway
