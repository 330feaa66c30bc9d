#include "actions/host_policy.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <random>

namespace testmesh::actions {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Address {
  sockaddr_storage storage{};
  const sockaddr& get() const { return reinterpret_cast<const sockaddr&>(storage); }
};

Address address(const std::string& text, uint16_t port = 80) {
  Address result;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&result.storage, &v4, sizeof v4);
  } else {
    EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr), 1) << text;
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&result.storage, &v6, sizeof v6);
  }
  return result;
}

bool refuses(const HostPolicy& policy, const std::string& host, uint16_t port = 80) {
  return policy.refuses_host(host, port).has_value();
}
bool refuses_at(const HostPolicy& policy, const std::string& where, const std::string& host = "shop.test",
                uint16_t port = 80) {
  return policy.refuses_address(address(where, port).get(), host).has_value();
}

using Quad = std::array<uint32_t, 4>;

std::string number(uint32_t value, int base, std::mt19937_64& random) {
  const std::string zeros(base == 10 ? 0 : random() % 4, '0');
  if (base == 8) return fmt::format("0{}{:o}", zeros, value);
  if (base == 16)
    return random() % 2 ? fmt::format("0x{}{:x}", zeros, value) : fmt::format("0X{}{:X}", zeros, value);
  return fmt::format("{}", value);
}

// One of the ways in which the C library reads this IPv4 address.
std::string spelled_v4(const Quad& q, std::mt19937_64& random) {
  const auto any_base = [&] { return std::array{8, 10, 16}[random() % 3]; };
  std::string text;
  switch (random() % 4) {
    case 0:
      text = number(q[0] << 24 | q[1] << 16 | q[2] << 8 | q[3], any_base(), random);
      break;
    case 1:
      text =
          number(q[0], any_base(), random) + "." + number(q[1] << 16 | q[2] << 8 | q[3], any_base(), random);
      break;
    case 2:
      text = number(q[0], any_base(), random) + "." + number(q[1], any_base(), random) + "." +
             number(q[2] << 8 | q[3], any_base(), random);
      break;
    default:
      for (size_t i = 0; i < 4; ++i) text += (i ? "." : "") + number(q[i], any_base(), random);
  }
  return text;
}

std::string hex_pair(uint32_t high, uint32_t low) { return fmt::format("{:x}", high << 8 | low); }

// The address within an IPv6 one, as something on the way would unpack it.
std::string spelled_v6(const Quad& q, std::mt19937_64& random) {
  const std::string dotted = fmt::format("{}.{}.{}.{}", q[0], q[1], q[2], q[3]);
  const std::string words = hex_pair(q[0], q[1]) + ":" + hex_pair(q[2], q[3]);
  const std::string turned = hex_pair(q[0] ^ 255, q[1] ^ 255) + ":" + hex_pair(q[2] ^ 255, q[3] ^ 255);
  const std::vector<std::string> all = {
      "::ffff:" + dotted,
      "::ffff:" + words,
      "0:0:0:0:0:ffff:" + words,
      "0000:0000:0000:0000:0000:FFFF:" + dotted,
      "::" + dotted,
      "::" + words,
      "::ffff:0:" + dotted,
      "64:ff9b::" + dotted,
      "0064:ff9b::" + words,
      "64:ff9b:1::" + words,
      fmt::format("64:ff9b:1:{}:{:x}:{}::", hex_pair(q[0], q[1]), q[2], hex_pair(q[3], 0)),
      "2002:" + words + "::1",
      "2002:" + words + ":1:2:3:4:5",
      "2001:0:" + words + "::1",
      "2001:0:0102:0304:0:ffff:" + turned,
      "2001:db8::5efe:" + words,
      "2001:db8::200:5efe:" + words,
  };
  return all[random() % all.size()];
}

std::string decorated(std::string host, std::mt19937_64& random) {
  if (host.find(':') != std::string::npos) {
    if (random() % 3 == 0) host += "%25eth0";
    if (random() % 2) host = "[" + host + "]";
    return host;
  }
  std::string text;
  for (const char c : host)
    text += random() % 8 ? std::string(1, c) : fmt::format("%{:02x}", static_cast<unsigned char>(c));
  if (random() % 3 == 0) text += ".";
  return text;
}

TEST(HostPolicy, RefusesEverySpellingOfMetadataAddresses) {
  const auto seed = std::random_device{}();
  std::mt19937_64 random(seed);
  const HostPolicy policy, star({"*"}),
      listed({"169.254.169.254", "169.254.0.0/16", "100.100.100.200", "::/0"});
  for (int i = 0; i < 100'000; ++i) {
    Quad quad = {169, 254, 169, 254};
    if (i % 3 == 1)
      quad = {169, 254, static_cast<uint32_t>(random() % 256), static_cast<uint32_t>(random() % 256)};
    if (i % 3 == 2) quad = {100, 100, 100, 200};
    const std::string plain = random() % 2 ? spelled_v4(quad, random) : spelled_v6(quad, random);
    const std::string host = decorated(plain, random);
    for (const HostPolicy* one : {&policy, &star, &listed})
      ASSERT_TRUE(one->refuses_host(host, 80).has_value()) << host << ", seed " << seed;
    const Resolution resolution = resolve(star, host, 80);
    ASSERT_EQ(resolution.error_code, "address_refused") << host << ", seed " << seed;
    if (plain.find(':') != std::string::npos) {
      ASSERT_TRUE(refuses_at(star, plain)) << plain << ", seed " << seed;
    }
  }
}

TEST(HostPolicy, LetsTheSameSpellingsOfOtherAddressesThrough) {
  const auto seed = std::random_device{}();
  std::mt19937_64 random(seed);
  const HostPolicy policy, listed({"10.0.0.0/8"});
  for (int i = 0; i < 20'000; ++i) {
    // Below 100: within 64:ff9b:1::/48 an address may be read in several ways, and one that is refused is
    // enough.
    const Quad quad = {10, static_cast<uint32_t>(random() % 100), static_cast<uint32_t>(random() % 100),
                       static_cast<uint32_t>(random() % 100)};
    const std::string four = decorated(spelled_v4(quad, random), random);
    ASSERT_FALSE(refuses(policy, four)) << four << ", seed " << seed;
    ASSERT_FALSE(refuses(listed, four)) << four << ", seed " << seed;
    const std::string six = decorated(spelled_v6(quad, random), random);
    ASSERT_FALSE(refuses(policy, six)) << six << ", seed " << seed;
  }
}

TEST(HostPolicy, RefusesLinkLocalAndMetadataOfIpv6AndByName) {
  const HostPolicy policy;
  for (const char* host :
       {"fe80::1", "[fe80::1%25eth0]", "febf::1", "FE80::A9FE:A9FE", "fd00:ec2::254", "fd00:ec2:0::0254",
        "fd20:ce::254", "metadata.google.internal", "METADATA.Google.Internal.", "metadata.google.internal..",
        "%6detadata.google.internal"})
    EXPECT_TRUE(refuses(policy, host)) << host;
  for (const char* host : {"fec0::1", "fd00:ec3::254", "::1", "[::]", "0.0.0.0", "127.1", "localhost",
                           "169.253.1.1", "170.254.1.1", "100.100.100.201", "internal",
                           "my-metadata.google.internal.test", "169.254.169.254.shop.test"})
    EXPECT_FALSE(refuses(policy, host)) << host;
}

TEST(HostPolicy, AsksTheAddressWhateverTheNameSays) {
  const HostPolicy policy;
  EXPECT_TRUE(refuses_at(policy, "169.254.169.254"));
  EXPECT_TRUE(refuses_at(policy, "fe80::1"));
  EXPECT_TRUE(refuses_at(policy, "::ffff:169.254.0.1"));
  EXPECT_TRUE(refuses_at(policy, "10.0.0.1", "metadata.google.internal"));
  EXPECT_FALSE(refuses_at(policy, "10.0.0.1"));
  EXPECT_FALSE(refuses_at(policy, "0.0.0.0"));
  EXPECT_THAT(*policy.refuses_address(address("169.254.169.254").get(), "shop.test"),
              HasSubstr("shop.test leads to 169.254.169.254:80"));
  sockaddr local{};
  local.sa_family = AF_UNIX;
  EXPECT_TRUE(policy.refuses_address(local, "shop.test").has_value());
}

TEST(HostPolicy, AListAllowsNothingElse) {
  const HostPolicy policy(
      {"shop.test", "*.api.test:8080", "10.1.0.0/16", "192.168.0.7:5432", "[fd01::/16]:443"});
  EXPECT_FALSE(refuses(policy, "SHOP.test."));
  EXPECT_FALSE(refuses_at(policy, "203.0.113.9", "shop.test"));
  EXPECT_TRUE(refuses_at(policy, "203.0.113.9", "evil-shop.test"));
  EXPECT_TRUE(refuses_at(policy, "203.0.113.9", "shop.test.evil"));
  EXPECT_FALSE(refuses_at(policy, "203.0.113.9", "a.b.api.test", 8080));
  EXPECT_TRUE(refuses_at(policy, "203.0.113.9", "a.api.test", 80));
  EXPECT_FALSE(refuses(policy, "10.1.2.3"));
  EXPECT_FALSE(refuses(policy, "0x0a010203"));
  EXPECT_TRUE(refuses(policy, "10.2.2.3"));
  EXPECT_FALSE(refuses_at(policy, "::ffff:10.1.2.3", "other.test"));
  EXPECT_TRUE(refuses_at(policy, "::10.1.2.3", "other.test"));
  EXPECT_FALSE(refuses(policy, "192.168.0.7", 5432));
  EXPECT_TRUE(refuses(policy, "192.168.0.7", 5433));
  EXPECT_FALSE(refuses(policy, "fd01::9", 443));
  EXPECT_TRUE(refuses(policy, "fd02::9", 443));
  // A name is decided by where it leads, as there are networks on the list.
  EXPECT_FALSE(refuses(policy, "other.test"));
  EXPECT_TRUE(refuses_at(policy, "10.2.2.3", "other.test"));
  EXPECT_THAT(*policy.refuses_host("10.2.2.3", 80),
              HasSubstr("runs may reach only shop.test, *.api.test:8080"));
}

TEST(HostPolicy, ANameOnTheListIsNoOtherSpellingOfLoopback) {
  const HostPolicy names({"localhost"}), numbers({"127.0.0.1"});
  for (const char* host : {"0.0.0.0", "0", "::", "[::]", "127.0.0.1", "127.1", "::1", "::ffff:0.0.0.0"})
    EXPECT_TRUE(refuses(names, host)) << host;
  for (const char* host : {"0.0.0.0", "0", "::", "127.0.0.2", "::1"})
    EXPECT_TRUE(refuses(numbers, host)) << host;
  for (const char* host : {"127.0.0.1", "127.1", "0x7f.1", "2130706433", "::ffff:127.0.0.1", "127.0.0.1."})
    EXPECT_FALSE(refuses(numbers, host)) << host;
  EXPECT_TRUE(refuses_at(numbers, "0.0.0.0", "shop.test"));
}

TEST(HostPolicy, StarsInNumbersMatchNumbersOnly) {
  const HostPolicy policy({"10.*"});
  EXPECT_FALSE(refuses(policy, "10.2.3.4"));
  EXPECT_TRUE(refuses(policy, "10.evil.test"));
  EXPECT_TRUE(refuses_at(policy, "203.0.113.9", "10.evil.test"));
  EXPECT_FALSE(refuses_at(policy, "10.9.9.9", "good.test"));
}

TEST(HostPolicy, SaysWhatIsWrongWithAPattern) {
  for (const char* good : {"a.test", "*", "*.test:80", "10.0.0.0/8", "10.0.0.1:80", "::1", "[::1]:80",
                           "[fd00::/8]", "fd00::/8", "a.test:*"})
    EXPECT_EQ(HostPolicy::check_pattern(good), std::nullopt) << good;
  for (const char* bad :
       {"", ":80", "a.test:", "a.test:0", "a.test:65536", "a.test:x", "10.0.0.0/33", "::/129", "a/8",
        "http://a.test", "[::1", "[::1]x", "a b", "user@a.test", "[]:80", "."})
    EXPECT_NE(HostPolicy::check_pattern(bad), std::nullopt) << bad;
  const HostPolicy wrong({"10.0.0.0/99"});
  EXPECT_TRUE(refuses(wrong, "10.0.0.1"));
}

TEST(HostPolicy, ResolvesToAddressesThatAreAllowed) {
  const Resolution loopback = resolve(HostPolicy(), "127.1", 7000, [] { return false; });
  ASSERT_EQ(loopback.addresses.size(), 1u);
  EXPECT_EQ(loopback.addresses[0].address, "127.0.0.1");
  EXPECT_EQ(loopback.addresses[0].port, 7000);
  EXPECT_FALSE(loopback.addresses[0].v6);
  const Resolution v6 = resolve(HostPolicy(), "[::1]", 7000);
  ASSERT_EQ(v6.addresses.size(), 1u);
  EXPECT_TRUE(v6.addresses[0].v6);
  const Resolution local = resolve(HostPolicy(), "localhost", 7000, [] { return false; });
  EXPECT_FALSE(local.addresses.empty()) << local.error;
  const Resolution unlisted = resolve(HostPolicy({"10.0.0.0/8"}), "localhost", 7000);
  EXPECT_EQ(unlisted.error_code, "address_refused");
  EXPECT_THAT(unlisted.addresses, IsEmpty());
  EXPECT_EQ(resolve(HostPolicy(), "", 80).error_code, "connection");
  EXPECT_EQ(resolve(HostPolicy(), std::string_view("a\0b", 3), 80).error_code, "connection");
  EXPECT_EQ(resolve(HostPolicy(), "no-such-host.invalid", 80).error_code, "connection");
}

}  // namespace
}  // namespace testmesh::actions
