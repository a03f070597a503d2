# How everything of ours is compiled; never exported to those who link us.
find_program(ccache_program ccache)
if(ccache_program AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # What a precompiled header defines and its time stamp do not keep an object from being found, and paths below
  # the source folder are taken relative to it, so that two checkouts share what they compile alike.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
      CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${ccache_program})
  # Lets ccache see which precompiled header an object was made with.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
  else()
    add_compile_options(-fpch-preprocess)
  endif()
endif()

# What costs time when it runs is in libraries; -O3 would cost compile time only.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")

add_library(sheaf_compiler INTERFACE)
target_compile_options(sheaf_compiler INTERFACE -Wall -Wextra -Wpedantic -Werror)
target_compile_definitions(sheaf_compiler INTERFACE _GLIBCXX_ASSERTIONS)
target_include_directories(sheaf_compiler INTERFACE ${PROJECT_SOURCE_DIR})
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 sees uninitialised values and mismatched deletes in coroutine frames, and overlapping copies in
  # std::string, that are not there; clang and the sanitizers look for the real ones.
  target_compile_options(sheaf_compiler INTERFACE -Wno-maybe-uninitialized -Wno-mismatched-new-delete -Wno-restrict
                         -Wno-array-bounds -Wno-stringop-overflow)
endif()
if(SHEAF_SANITIZE)
  target_compile_options(sheaf_compiler INTERFACE -fsanitize=${SHEAF_SANITIZE} -fno-sanitize-recover=all
                         -fno-omit-frame-pointer -g1)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # Its prologue in front of each function does not assemble for coroutines ("difference across sections").
    target_compile_options(sheaf_compiler INTERFACE -fno-sanitize=function)
  endif()
  add_link_options(-fsanitize=${SHEAF_SANITIZE})
  if(SHEAF_SANITIZE MATCHES "thread")
    # Asio counts references with a fence, which ThreadSanitizer does not follow; this has it count without.
    add_compile_definitions(BOOST_ASIO_DISABLE_STD_ATOMIC)
  endif()
endif()
if(SHEAF_FUZZ)
  target_compile_options(sheaf_compiler INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(SHEAF_CANARY)
  string(TOUPPER ${SHEAF_CANARY} canary)
  target_compile_definitions(sheaf_compiler INTERFACE SHEAF_CANARY_${canary})
endif()

# sheaf_folder(NAME USES other folders LINKS libraries): the folder's objects, and a static library of them
# that tests link. Its public headers are in NAME/include.
function(sheaf_folder name)
  cmake_parse_arguments(arg "" "" "USES;LINKS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/peer_node/")
  add_library(sheaf_${name}_objects OBJECT ${sources})
  target_include_directories(sheaf_${name}_objects PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/include)
  target_link_libraries(sheaf_${name}_objects PUBLIC Boost::headers Threads::Threads
                        PRIVATE sheaf_compiler ${arg_LINKS})
  add_library(sheaf_${name} STATIC $<TARGET_OBJECTS:sheaf_${name}_objects>)
  set_target_properties(sheaf_${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(sheaf_${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/include)
  target_link_libraries(sheaf_${name} PUBLIC Boost::headers Threads::Threads ${arg_LINKS})
  foreach(used IN LISTS arg_USES)
    target_include_directories(sheaf_${name}_objects PUBLIC ${PROJECT_SOURCE_DIR}/${used}/include)
    target_link_libraries(sheaf_${name} PUBLIC sheaf_${used})
  endforeach()
endfunction()
