# How our own builds are compiled. Nothing here reaches a consumer: a project that adds duplex as a
# subdirectory keeps its own flags.
if(NOT PROJECT_IS_TOP_LEVEL)
  return()
endif()

set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# One flag for libraries and programs, so that they can share one precompiled header.
set(CMAKE_POSITION_INDEPENDENT_CODE OFF)
add_compile_options(-fPIC)

add_compile_options(-Wall -Wextra -Wpedantic)
# request{.url = ...} leaves the other members at their defaults on purpose.
add_compile_options(-Wno-missing-field-initializers)
if(DUPLEX_WERROR)
  add_compile_options(-Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False positives of GCC 12: on std::string (GCC bug 105651), and on Asio's coroutine frames.
  add_compile_options(-Wno-restrict -Wno-array-bounds -Wno-mismatched-new-delete)
endif()

if(DUPLEX_SANITIZE)
  add_compile_options(-fsanitize=${DUPLEX_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${DUPLEX_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Instrumented code makes GCC see uninitialised values in Boost's headers, and its thread
    # sanitizer knows no fences (Asio has one, beside the locks that matter).
    add_compile_options(-Wno-maybe-uninitialized -Wno-tsan)
  endif()
endif()

# ccache, where there is one. The sloppiness is what ccache asks for to work with precompiled headers.
find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}
    ${CCACHE})
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
  endif()
endif()
