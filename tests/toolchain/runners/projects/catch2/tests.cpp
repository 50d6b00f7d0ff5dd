#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <unistd.h>

TEST_CASE("adds", "[states][good]") { REQUIRE(1 + 1 == 2); }
TEST_CASE("removes", "[states]") { CHECK(1 == 0); REQUIRE(2 == 3); }
TEST_CASE("throws", "[states]") { throw std::runtime_error("so bad"); }
TEST_CASE("may fail", "[states][!mayfail]") { REQUIRE(1 == 0); }
TEST_CASE("many", "[states]") { auto n = GENERATE(1, 2); SECTION("below") { REQUIRE(n < 2); } SECTION("above") { REQUIRE(n > 0); } }
TEMPLATE_TEST_CASE("of a type", "[states]", char, short) { REQUIRE(sizeof(TestType) == 1); }
TEST_CASE("exits", "[exits]") { std::exit(0); }
TEST_CASE("exits quickly", "[quick]") { std::_Exit(0); }
TEST_CASE("aborts", "[aborts]") { std::abort(); }
TEST_CASE("crashes", "[crashes]") { raise(SIGSEGV); }
TEST_CASE("hangs", "[hangs]") { sleep(60); }
