# SPDX-License-Identifier: GPL-2.0-or-later
# Flags shared by every target of ours, and the functions that make them.

add_library(hmem_flags INTERFACE)
target_include_directories(hmem_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(hmem_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
target_compile_definitions(hmem_flags INTERFACE HMEM_VERSION="${PROJECT_VERSION}" _FILE_OFFSET_BITS=64)
if(HMEM_WERROR)
  target_compile_options(hmem_flags INTERFACE -Werror)
endif()
if(HMEM_SANITIZE)
  target_compile_options(hmem_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_link_options(hmem_flags INTERFACE -fsanitize=address,undefined)
endif()
if(HMEM_FUZZ)
  target_compile_options(hmem_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(hmem_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(HMEM_STATIC)
  target_compile_options(hmem_flags INTERFACE -ffunction-sections -fdata-sections)
  target_link_options(hmem_flags INTERFACE -static -Wl,--gc-sections -Wl,-s)
endif()

# hmem_library(NAME SOURCES a.cc ... DEPS lib ...): a static library; every file is listed.
function(hmem_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_SOURCES)
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE hmem_flags ${ARG_DEPS})
    return()
  endif()
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC hmem_flags ${ARG_DEPS})
endfunction()

# hmem_program(NAME SOURCES ... DEPS ...); where it is installed is in HmemInstall.cmake.
function(hmem_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE hmem_flags ${ARG_DEPS})
endfunction()

# hmem_fault_program(NAME SOURCES ... DEPS ...): the static program once more, obeying the faults that end-to-end tests
# inject: faults/NAME, made by `cmake --build --preset capture-faults` only.
if(HMEM_STATIC)
  add_custom_target(faults)
endif()
function(hmem_fault_program name)
  if(NOT HMEM_STATIC)
    return()
  endif()
  hmem_program(${name}-faults ${ARGN})
  set_target_properties(${name}-faults PROPERTIES EXCLUDE_FROM_ALL ON OUTPUT_NAME ${name}
                                                  RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/faults)
  add_dependencies(faults ${name}-faults)
endfunction()

# hmem_unit_test(NAME SOURCES ... DEPS ...): one GoogleTest program, label unit.
function(hmem_unit_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE hmem_flags ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  add_test(NAME unit.${name} COMMAND ${name})
  set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT 120)
endfunction()

if(HMEM_FUZZ)
  add_custom_target(fuzzers)  # what `cmake --build --preset fuzz` builds
endif()
# hmem_fuzzer(NAME SOURCES ... DEPS ...): with HMEM_FUZZ a libFuzzer program; otherwise a replay of tests/fuzz/corpus/NAME
# under plain ctest, label fuzz. The source defines LLVMFuzzerTestOneInput.
function(hmem_fuzzer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(HMEM_FUZZ)
    add_executable(${name} ${ARG_SOURCES})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests/fuzz)
    add_dependencies(fuzzers ${name})
  else()
    add_executable(${name} ${ARG_SOURCES} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
    add_test(NAME fuzz.${name} COMMAND ${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
    set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 120)
  endif()
  target_link_libraries(${name} PRIVATE hmem_flags ${ARG_DEPS})
endfunction()
