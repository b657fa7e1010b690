# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's packages, nothing downloaded. The capture programs link the static archives.
include(FindPackageHandleStandardArgs)

if(HMEM_STATIC)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
endif()

function(hmem_find_library target library header)
  find_library(${target}_LIBRARY ${library} REQUIRED)
  find_path(${target}_INCLUDE ${header} REQUIRED)
  add_library(${target} UNKNOWN IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES IMPORTED_LOCATION ${${target}_LIBRARY}
                                             INTERFACE_INCLUDE_DIRECTORIES ${${target}_INCLUDE})
endfunction()

if(HMEM_STATIC)
  # Debian has no static libfmt.
  add_library(dep_fmt INTERFACE)
  target_compile_definitions(dep_fmt INTERFACE FMT_HEADER_ONLY)
else()
  hmem_find_library(dep_fmt fmt fmt/format.h)
endif()
hmem_find_library(dep_lz4 lz4 lz4.h)
hmem_find_library(dep_zstd zstd zstd.h)
hmem_find_library(dep_zlib z zlib.h)
hmem_find_library(dep_lzma lzma lzma.h)
hmem_find_library(dep_lzo lzo2 lzo/lzo1x.h)
hmem_find_library(dep_snappy snappy snappy-c.h)
hmem_find_library(dep_xxhash xxhash xxhash.h)
hmem_find_library(dep_sodium sodium sodium.h)
hmem_find_library(dep_blkid blkid blkid/blkid.h)
hmem_find_library(dep_protobuf_lite protobuf-lite google/protobuf/message_lite.h)
if(NOT HMEM_STATIC)
  hmem_find_library(dep_protobuf protobuf google/protobuf/message.h)
endif()
find_program(HMEM_PROTOC protoc REQUIRED)
find_package(Threads REQUIRED)
target_link_libraries(dep_protobuf_lite INTERFACE Threads::Threads)

add_library(dep_cli11 INTERFACE)
find_path(HMEM_CLI11_INCLUDE CLI/CLI.hpp REQUIRED)
target_include_directories(dep_cli11 SYSTEM INTERFACE ${HMEM_CLI11_INCLUDE})

add_library(dep_json INTERFACE)
find_path(HMEM_JSON_INCLUDE nlohmann/json.hpp REQUIRED)
target_include_directories(dep_json SYSTEM INTERFACE ${HMEM_JSON_INCLUDE})

if(HMEM_TESTS)
  find_package(GTest REQUIRED)
endif()
