#include "ingest/rpc_status.h"

#include <gtest/gtest.h>

namespace testmesh::ingest {
namespace {

using base::ErrorCode;
using namespace std::string_literals;

TEST(RpcStatus, IsEncodedInBothWays) {
  EXPECT_EQ(status_protobuf(3, "bad"),
            "\x08\x03\x12\x03"
            "bad");
  EXPECT_EQ(status_json(3, "bad"), R"({"code":3,"message":"bad"})");
  EXPECT_EQ(status_json(3, R"(say "\")"), R"({"code":3,"message":"say \"\\\""})");
  EXPECT_EQ(status_protobuf(8, std::string(200, 'x')), "\x08\x08\x12\xc8\x01"s + std::string(200, 'x'));
}

TEST(RpcStatus, QuotesNoRawBytes) {
  EXPECT_EQ(status_json(3, "a\n\xff\0b\xc3\xa9"s), R"({"code":3,"message":"a???b??"})");
  EXPECT_EQ(status_protobuf(3, "\xff"), "\x08\x03\x12\x01?");
  EXPECT_EQ(clean_message(std::string(5000, 'x')).size(), 1024u);
}

TEST(ExportResponse, IsEmptyWhenThereIsNothingToSay) {
  EXPECT_EQ(export_response_protobuf(0, ""), "");
  EXPECT_EQ(export_response_json(0, ""), "{}");
}

TEST(ExportResponse, SaysWhatWasRejected) {
  EXPECT_EQ(export_response_protobuf(300, "why"), "\x0a\x08\x08\xac\x02\x12\x03why");
  EXPECT_EQ(export_response_json(300, "why"),
            R"({"partialSuccess":{"rejectedSpans":"300","errorMessage":"why"}})");
  // A warning: all was accepted.
  EXPECT_EQ(export_response_protobuf(0, "why"), "\x0a\x05\x12\x03why");
  EXPECT_EQ(export_response_json(0, "why"),
            R"({"partialSuccess":{"rejectedSpans":"0","errorMessage":"why"}})");
  EXPECT_EQ(export_response_protobuf(1, ""), "\x0a\x02\x08\x01");
}

TEST(StatusTable, MakesWhatMayPassRetryable) {
  for (const ErrorCode code : {ErrorCode::kOverloaded, ErrorCode::kUnavailable, ErrorCode::kCorrupt}) {
    EXPECT_TRUE(http_status(code) == 429 || http_status(code) == 503);
    EXPECT_EQ(grpc_code(code), 14);
  }
  EXPECT_EQ(http_status(ErrorCode::kInvalidArgument), 400);
  EXPECT_EQ(grpc_code(ErrorCode::kInvalidArgument), 3);
  EXPECT_EQ(http_status(ErrorCode::kTooLarge), 413);
  EXPECT_EQ(grpc_code(ErrorCode::kTooLarge), 8);
}

}  // namespace
}  // namespace testmesh::ingest
