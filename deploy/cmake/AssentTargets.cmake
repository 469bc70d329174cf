# SPDX-License-Identifier: Apache-2.0
# One way to compile everything: language level, warnings, visibility, sanitizers.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(assent-flags INTERFACE)
target_compile_definitions(assent-flags INTERFACE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE
                           ASSENT_VERSION_TEXT="${PROJECT_VERSION}")
target_compile_options(assent-flags INTERFACE
  -Wall -Wextra -Wshadow -Wpointer-arith -Wvla -Wformat=2 -Wundef
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings>
  $<$<BOOL:${ASSENT_WERROR}>:-Werror>
  # Texts are cut on purpose; and gcc 12 sees overlaps where there are none.
  $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>
  $<$<C_COMPILER_ID:GNU>:-Wno-restrict>
  -fno-strict-aliasing -fstack-protector-strong)

if(ASSENT_SANITIZE STREQUAL "address")
  target_compile_options(assent-flags INTERFACE -fsanitize=address,undefined
                         -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(assent-flags INTERFACE -fsanitize=address,undefined)
elseif(ASSENT_SANITIZE STREQUAL "thread")
  target_compile_options(assent-flags INTERFACE -fsanitize=thread -fno-omit-frame-pointer)
  target_link_options(assent-flags INTERFACE -fsanitize=thread)
elseif(NOT ASSENT_SANITIZE STREQUAL "")
  message(FATAL_ERROR "ASSENT_SANITIZE is empty, address or thread, not '${ASSENT_SANITIZE}'")
endif()

if(ASSENT_SANITIZE AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  # Instrumented code confuses this warning; the plain builds have it.
  target_compile_options(assent-flags INTERFACE -Wno-maybe-uninitialized)
endif()

# What every test has in its environment, and so every program that it starts.
set(ASSENT_TEST_ENVIRONMENT
    "ASSENT_BIN_DIR=${CMAKE_BINARY_DIR}/bin"
    "ASSENT_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "ASSENT_BUILD_DIR=${CMAKE_BINARY_DIR}")
if(ASSENT_SANITIZE)
  # A sanitizer stands between a program and dlopen(3), which then does not see the program's own
  # paths to libraries.
  list(APPEND ASSENT_TEST_ENVIRONMENT
       "LD_LIBRARY_PATH=${CMAKE_BINARY_DIR}/lib"
       "ASSENT_SANITIZE=${ASSENT_SANITIZE}"
       "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:allow_addr2line=1"
       "UBSAN_OPTIONS=print_stacktrace=1:allow_addr2line=1"
       "TSAN_OPTIONS=halt_on_error=1:ignore_noninstrumented_modules=1:second_deadlock_stack=1:suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp")
endif()
if(ASSENT_FUZZ)
  target_compile_options(assent-flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(ASSENT_COVERAGE)
  target_compile_options(assent-flags INTERFACE --coverage)
  target_link_options(assent-flags INTERFACE --coverage)
endif()

# assent_module(<name> <libraries>...): a static library of every .c file in this directory.
function(assent_module name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c
       ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  if(NOT sources) # a library needs one
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/${name}-empty.c)
    file(WRITE ${sources} "typedef int nothing;\n")
  endif()
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/common
                             ${PROJECT_SOURCE_DIR}/common/include)
  target_link_libraries(${name} PUBLIC assent-flags ${ARGN})
endfunction()
