# What every target of the project shares.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(cofferdam_options INTERFACE)
target_compile_options(cofferdam_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wno-missing-field-initializers -Wno-restrict -Wno-stringop-overflow -fstack-protector-strong -fPIE)
if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  target_compile_definitions(cofferdam_options INTERFACE _FORTIFY_SOURCE=2)
  target_link_options(cofferdam_options INTERFACE -pie -Wl,-z,relro,-z,now)
endif()
target_include_directories(cofferdam_options INTERFACE ${PROJECT_SOURCE_DIR})
# In every translation unit or in none: with it Asio's classes are others (one definition rule).
target_compile_definitions(cofferdam_options INTERFACE BOOST_ASIO_NO_DEPRECATED)

set(COFFERDAM_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them")
if(COFFERDAM_SANITIZE)
  target_compile_options(cofferdam_options INTERFACE -fsanitize=${COFFERDAM_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  target_link_options(cofferdam_options INTERFACE -fsanitize=${COFFERDAM_SANITIZE})
  # What is freed must be free, or its use afterwards is not seen.
  target_compile_definitions(cofferdam_options INTERFACE BOOST_ASIO_DISABLE_SMALL_BLOCK_RECYCLING
    BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING)
  if(COFFERDAM_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(cofferdam_options INTERFACE -Wno-tsan)
  endif()
endif()

# cofferdam_library(NAME SOURCES f.cpp... LINK lib...): a static library of one module. The alias cofferdam::NAME.
function(cofferdam_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_library(cofferdam_${name} STATIC ${arg_SOURCES})
  add_library(cofferdam::${name} ALIAS cofferdam_${name})
  target_link_libraries(cofferdam_${name} PUBLIC cofferdam_options ${arg_LINK})
endfunction()

# cofferdam_test(NAME SOURCES f_test.cpp... LINK lib...): one GoogleTest binary, its cases known to ctest.
function(cofferdam_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name}_test ${arg_SOURCES})
  target_link_libraries(${name}_test PRIVATE cofferdam_options ${arg_LINK} GTest::gtest GTest::gmock GTest::gtest_main)
  set_target_properties(${name}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  gtest_discover_tests(${name}_test TEST_PREFIX ${name}. DISCOVERY_TIMEOUT 60 NO_PRETTY_VALUES)
endfunction()

# cofferdam_fuzzer(NAME SOURCES f_fuzz.cpp LINK lib...): a libFuzzer target (clang) over a sans-I/O library.
function(cofferdam_fuzzer name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name}_fuzz ${arg_SOURCES})
  target_link_libraries(${name}_fuzz PRIVATE cofferdam_options ${arg_LINK})
  target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name}_fuzz PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
endfunction()

# cofferdam_benchmark(NAME SOURCES f_bench.cpp LINK lib...): a Google Benchmark binary.
function(cofferdam_benchmark name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name}_bench ${arg_SOURCES})
  target_link_libraries(${name}_bench PRIVATE cofferdam_options ${arg_LINK} benchmark::benchmark benchmark::benchmark_main)
  set_target_properties(${name}_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
endfunction()

# cofferdam_embed(TARGET NAME FILE): the bytes of FILE in TARGET's read-only section, see core/embedded.hpp.
function(cofferdam_embed target name file)
  get_filename_component(path ${file} ABSOLUTE)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/embedded_${name}.cpp)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT [[
asm(".pushsection .rodata\n.balign 16\n"
    ".global cofferdam_embedded_@name@\n.hidden cofferdam_embedded_@name@\n"
    "cofferdam_embedded_@name@:\n.incbin \"@path@\"\n"
    ".global cofferdam_embedded_@name@_end\n.hidden cofferdam_embedded_@name@_end\n"
    "cofferdam_embedded_@name@_end:\n.byte 0\n.popsection\n");
]])
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS ${path})
  target_sources(${target} PRIVATE ${source})
endfunction()
