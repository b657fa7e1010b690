# SPDX-License-Identifier: GPL-2.0-or-later
# Plug-ins are found by name and listed in a generated registry.cc: a plain sorted array, no static constructors, nothing
# for the linker to drop. Used in plug-in folders only; everywhere else files are listed.

# hmem_plugins(OUT_NAMES OUT_SOURCES SUFFIX): the files <name><SUFFIX> of this folder and their names. A file that comes or
# goes is noticed by the next build.
function(hmem_plugins out_names out_sources suffix)
  file(GLOB sources CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} *${suffix})
  set(names)
  foreach(file IN LISTS sources)
    string(REPLACE ${suffix} "" name ${file})
    list(APPEND names ${name})
  endforeach()
  set(${out_names} ${names} PARENT_SCOPE)
  set(${out_sources} ${sources} PARENT_SCOPE)
endfunction()

# hmem_registry(OUT_SOURCES
#   NAMES a b ...        plug-in names, snake_case, any order
#   HEADERS "x/%.h"      header that declares each accessor (% is the name); omit to have the accessors declared here
#   INTERFACE "x/x.h"    header of the interface
#   NAMESPACE hmem::x
#   TYPE Thing           element type
#   ACCESSOR_SUFFIX Thing   accessor of plug-in "foo_bar" is `const Thing& FooBarThing()`
#   ALL AllThings)       name of the generated function
function(hmem_registry out)
  cmake_parse_arguments(ARG "" "INTERFACE;NAMESPACE;TYPE;ACCESSOR_SUFFIX;ALL" "NAMES" ${ARGN})
  list(SORT ARG_NAMES)
  set(declarations "")
  set(entries "")
  foreach(name IN LISTS ARG_NAMES)
    string(REPLACE "_" ";" parts ${name})
    set(camel "")
    foreach(part IN LISTS parts)
      string(SUBSTRING ${part} 0 1 first)
      string(SUBSTRING ${part} 1 -1 rest)
      string(TOUPPER ${first} first)
      string(APPEND camel ${first}${rest})
    endforeach()
    string(APPEND declarations "const ${ARG_TYPE}& ${camel}${ARG_ACCESSOR_SUFFIX}();\n")
    string(APPEND entries "      &${camel}${ARG_ACCESSOR_SUFFIX}(),\n")
  endforeach()
  set(file ${CMAKE_CURRENT_BINARY_DIR}/registry.cc)
  file(CONFIGURE OUTPUT ${file} CONTENT
"// Generated from file names; see cmake/HmemRegistry.cmake.
#include \"@ARG_INTERFACE@\"

namespace @ARG_NAMESPACE@ {

@declarations@
std::span<const @ARG_TYPE@* const> @ARG_ALL@() {
  static const @ARG_TYPE@* const kAll[] = {
@entries@  };
  return kAll;
}

}  // namespace @ARG_NAMESPACE@
" @ONLY)
  set(${out} ${file} PARENT_SCOPE)
endfunction()
