#!/bin/sh
# Generates what follow.cpp needs of the contract, and builds it in the folder named first (or here).
# Debian: apt-get install g++ pkg-config libgrpc++-dev protobuf-compiler-grpc
set -eu
here=$(cd "$(dirname "$0")" && pwd)
proto=$here/../../proto
cd "${1:-$here}"
for name in event position mine configuration alarm stream; do
    protoc "-I$proto" --cpp_out=. "$proto/lamproom/v1/$name.proto"
done
protoc "-I$proto" --grpc_out=. "--plugin=protoc-gen-grpc=$(command -v grpc_cpp_plugin)" \
    "$proto/lamproom/v1/event.proto" "$proto/lamproom/v1/position.proto"
# shellcheck disable=SC2046  # a list of flags
g++ -std=c++17 -I. -o follow "$here/follow.cpp" lamproom/v1/*.cc $(pkg-config --cflags --libs grpc++ protobuf) -pthread
