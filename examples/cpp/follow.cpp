// Follows a mine: every event and where everyone is, over all restarts of the gateway.
//   ./build.sh && ./follow 127.0.0.1:50051
//   ./follow gateway.mine:50051 ca.pem screen.pem screen.key
#include <grpcpp/grpcpp.h>
#include <fstream>
#include <sstream>
#include <thread>
#include "lamproom/v1/event.grpc.pb.h"
#include "lamproom/v1/position.grpc.pb.h"
using namespace lamproom::v1;

std::string File(const char* path) {
  return (std::ostringstream() << std::ifstream(path).rdbuf()).str();
}

// Calls again after each break-off, with the last cursor: 0.1 s later, then more, 2 s at most.
template <typename Answer, typename Request, typename Open, typename Use>
void Follow(Request request, Open open, Use use) {
  for (int wait_ms = 100;; wait_ms = std::min(2 * wait_ms, 2000)) {
    grpc::ClientContext context;
    Answer answer;
    for (auto stream = open(&context, request); stream->Read(&answer); wait_ms = 100) {
      auto cursor = use(answer) + answer.sync().cursor() + answer.heartbeat().cursor();
      if (!cursor.empty()) request.set_cursor(cursor);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms / 2 + rand() % (wait_ms / 2)));
  }
}

int main(int count, char** words) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  auto credentials = grpc::InsecureChannelCredentials();
  if (count > 4) credentials = grpc::SslCredentials({File(words[2]), File(words[4]), File(words[3])});
  grpc::ChannelArguments options;
  options.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10000);
  options.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  auto channel = grpc::CreateCustomChannel(words[1], credentials, options);
  auto events = EventService::NewStub(channel);
  auto positions = PositionService::NewStub(channel);
  std::thread([&] {
    std::map<uint32_t, std::string> cards;
    auto open = [&](auto* context, auto& request) { return positions->WatchPositions(context, request); };
    Follow<WatchPositionsResponse>(WatchPositionsRequest(), open, [&](auto& answer) {
      for (auto& entry : answer.directory().entries()) cards[entry.tag_handle()] = entry.card();
      auto& frame = answer.frame();
      for (int i = 0; i < frame.tag_handles_size(); ++i)
        printf("position %s %.1f %.1f\n", cards[frame.tag_handles(i)].c_str(), frame.x_mm(i) / 1e3, frame.y_mm(i) / 1e3);
      return frame.cursor();
    });
  }).detach();
  WatchEventsRequest all;
  all.set_sequence(1);  // until there is a cursor, which takes its place
  auto open = [&](auto* context, auto& request) { return events->WatchEvents(context, request); };
  Follow<WatchEventsResponse>(all, open, [](auto& answer) {
    if (answer.has_event()) printf("event %s %s\n", std::to_string(answer.event().sequence()).c_str(), answer.event().text().c_str());
    if (answer.has_gap()) printf("lost: %s\n", answer.gap().reason().c_str());
    return answer.event().cursor() + answer.gap().cursor();
  });
}
