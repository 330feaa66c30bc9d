// For tests: a TCP peer on 127.0.0.1 that does to a connection whatever a
// function says, plain or behind TLS.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

namespace testmesh::actions::testing {

class PeerConnection {
 public:
  PeerConnection(int socket, SSL* tls, const std::atomic<bool>& stopping)
      : socket_(socket), tls_(tls), stopping_(stopping) {}

  // False when the other side is gone, or the test is over.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      if (stopping_) return false;
      const long sent = tls_ != nullptr ? SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()))
                                        : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // The next request's head, and its body when it has a Content-Length.
  std::string read_request() {
    while (true) {
      const size_t end = input_.find("\r\n\r\n");
      if (end != std::string::npos) {
        const size_t length = input_.find("Content-Length: ");
        const size_t size = end + 4 + (length < end ? std::stoul(input_.substr(length + 16, 20)) : 0);
        if (input_.size() >= size) {
          std::string request = input_.substr(0, size);
          input_.erase(0, size);
          return request;
        }
      }
      if (!read_more()) return {};
    }
  }
  void wait_until_closed() {
    while (read_more()) input_.clear();
  }

 private:
  bool read_more() {
    char buffer[16384];
    while (!stopping_) {
      if (tls_ == nullptr || SSL_pending(tls_) == 0) {
        pollfd waited{.fd = socket_, .events = POLLIN, .revents = 0};
        if (poll(&waited, 1, 20) == 0) continue;
      }
      const long got =
          tls_ != nullptr ? SSL_read(tls_, buffer, sizeof buffer) : ::recv(socket_, buffer, sizeof buffer, 0);
      if (got <= 0) return false;
      input_.append(buffer, static_cast<size_t>(got));
      return true;
    }
    return false;
  }

  int socket_;
  SSL* tls_;
  const std::atomic<bool>& stopping_;
  std::string input_;
};

// A self-signed certificate for localhost and 127.0.0.1, made when asked for.
inline SSL_CTX* self_signed_context() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"),
                             -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_EXTENSION* names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  X509_add_ext(certificate, names, -1);
  X509_EXTENSION_free(names);
  X509_sign(certificate, key, EVP_sha256());
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate(context, certificate);
  SSL_CTX_use_PrivateKey(context, key);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return context;
}

class RawPeer {
 public:
  using Serve = std::function<void(PeerConnection&)>;

  explicit RawPeer(Serve serve, bool tls = false)
      : serve_(std::move(serve)), tls_(tls ? self_signed_context() : nullptr) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 16);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { accept_all(); });
  }
  ~RawPeer() {
    stopping_ = true;
    thread_.join();
    ::close(listener_);
    SSL_CTX_free(tls_);
  }
  RawPeer(const RawPeer&) = delete;

  uint16_t port() const { return port_; }
  int connections() const { return connections_; }

 private:
  // One connection after the other: a peer that misbehaves has one guest.
  void accept_all() {
    while (!stopping_) {
      pollfd waited{.fd = listener_, .events = POLLIN, .revents = 0};
      if (poll(&waited, 1, 20) == 0) continue;
      const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) continue;
      ++connections_;
      SSL* tls = tls_ != nullptr ? SSL_new(tls_) : nullptr;
      bool agreed = true;
      if (tls != nullptr) {
        SSL_set_fd(tls, socket);
        agreed = SSL_accept(tls) == 1;
      }
      if (agreed) {
        PeerConnection connection(socket, tls, stopping_);
        serve_(connection);
        if (tls != nullptr) SSL_shutdown(tls);
      }
      SSL_free(tls);
      ::close(socket);
    }
  }

  Serve serve_;
  SSL_CTX* tls_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<int> connections_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace testmesh::actions::testing
