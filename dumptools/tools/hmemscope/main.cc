// SPDX-License-Identifier: GPL-2.0-or-later
// hmemscope VERB [options] DUMP [words]: what a dump or a first-failure record says. Data on
// stdout, talk on stderr.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <memory>

#include "dumptools/report/json.h"
#include "dumptools/report/text/pieces.h"
#include "dumptools/tools/hmemscope/command.h"
#include "hmem/base/fd.h"

namespace hmem::hmemscope {
namespace {

enum Exit { kComplete = 0, kFailed = 1, kUsage = 2, kLosses = 3 };

// What the parser fills in for one verb.
struct Parsed {
  const Command* command = nullptr;
  CLI::App* app = nullptr;
  std::string path;
  bool json = false;
  std::map<std::string, bool, std::less<>> switches;
  std::map<std::string, std::string, std::less<>> values;
  std::vector<std::vector<std::string>> words;
};

void AddVerb(CLI::App& app, const Command& command, Parsed& parsed) {
  parsed.command = &command;
  parsed.app = app.add_subcommand(std::string(command.name), std::string(command.help));
  CLI::App& verb = *parsed.app;
  verb.add_option("DUMP", parsed.path, "dump of any format, or first-failure.pb")
      ->required()
      ->type_name("");
  parsed.words.resize(command.arguments.size());
  for (size_t i = 0; i < command.arguments.size(); ++i) {
    const Argument& argument = command.arguments[i];
    CLI::Option* option =
        verb.add_option(std::string(argument.name), parsed.words[i], std::string(argument.help));
    option->expected(1, argument.max > 1 ? CLI::detail::expected_max_vector_size : 1);
    option->type_name("");
    // A vector option takes what follows, too, unless told not to.
    option->allow_extra_args(argument.max > 1);
    if (argument.min > 0) option->required();
  }
  for (const Flag& flag : command.flags) {
    std::string names =
        flag.brief.empty() ? std::string(flag.name) : fmt::format("{},{}", flag.brief, flag.name);
    const std::string key(flag.name);
    if (flag.value.empty()) {
      verb.add_flag(names, parsed.switches[key], std::string(flag.help));
    } else {
      verb.add_option(names, parsed.values[key], std::string(flag.help))
          ->type_name(std::string(flag.value));
    }
  }
  verb.add_flag("--json", parsed.json, "the same as JSON");
}

Invocation ToInvocation(const Parsed& parsed) {
  Invocation invocation;
  for (const auto& [name, given] : parsed.switches) {
    if (given) invocation.flags[name] = "1";
  }
  for (const auto& [name, value] : parsed.values) {
    if (!value.empty()) invocation.flags[name] = value;
  }
  for (const auto& words : parsed.words) {
    invocation.arguments.insert(invocation.arguments.end(), words.begin(), words.end());
  }
  return invocation;
}

void Say(std::string_view line) { fmt::print(stderr, "hmemscope: {}\n", line); }

Result<Answer> Run(const Parsed& parsed) {
  HMEM_ASSIGN(OpenedDump dump, OpenedDump::Open(parsed.path));
  HMEM_ASSIGN(Answer answer, parsed.command->run(dump, ToInvocation(parsed)));
  if (parsed.json) {
    HMEM_ASSIGN(answer.text, report::ToJson(answer.type, answer.serialized));
  }
  return answer;
}

int RunVerb(const Parsed& parsed) {
  auto answer = Run(parsed);
  if (!answer) {
    Say(report::Printable(fmt::format("{}: {}", parsed.command->name, answer.error().ToString())));
    return answer.error().code() == ErrorCode::kInvalidArgument ? kUsage : kFailed;
  }
  if (auto written = WriteAll(STDOUT_FILENO, std::as_bytes(std::span(answer->text)), "stdout");
      !written) {
    Say(fmt::format("{}: {}", parsed.command->name, written.error().ToString()));
    return kFailed;
  }
  for (const std::string& note : answer->notes)
    Say(fmt::format("{}: {}", parsed.command->name, note));
  return answer->losses ? kLosses : kComplete;
}

bool IsUnknownVerb(std::string_view word) {
  return std::ranges::none_of(AllCommands(),
                              [&](const Command* command) { return command->name == word; });
}

int Main(int argc, char** argv) {
  CLI::App app("hmemscope: what a crashed Linux kernel's dump or first-failure record says",
               "hmemscope");
  app.set_version_flag("--version", "hmemscope " HMEM_VERSION);
  app.set_help_flag("-h,--help", "show this help and exit");
  app.require_subcommand(1);
  app.footer(
      "Exit status: 0 complete, 1 failed, 2 usage, 3 usable but with losses. See hmemscope(1).");
  std::vector<std::unique_ptr<Parsed>> verbs;
  for (const Command* command : AllCommands()) {
    verbs.push_back(std::make_unique<Parsed>());
    AddVerb(app, *command, *verbs.back());
  }
  if (std::string_view word = argc > 1 ? argv[1] : "-";
      !word.starts_with('-') && IsUnknownVerb(word)) {
    Say(report::Printable(fmt::format("no verb \"{}\"; see hmemscope --help", word)));
    return kUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    app.exit(help);
    if (std::cout.flush() && std::fflush(stdout) == 0) return kComplete;
    Say(FailErrno("stdout", errno).error().ToString());
    return kFailed;
  } catch (const CLI::ParseError& error) {
    std::string verb;
    for (const auto& parsed : verbs) {
      if (parsed->app->parsed() || parsed->app->count() > 0)
        verb = fmt::format("{} ", parsed->command->name);
    }
    std::string what = error.what();
    while (what.ends_with('\n')) what.pop_back();
    Say(report::Printable(
        fmt::format("{}; see hmemscope {}--help", what.substr(0, what.find('\n')), verb)));
    return kUsage;
  }
  for (const auto& parsed : verbs) {
    if (parsed->app->parsed()) return RunVerb(*parsed);
  }
  return kUsage;
}

}  // namespace
}  // namespace hmem::hmemscope

int main(int argc, char** argv) { return hmem::hmemscope::Main(argc, argv); }
