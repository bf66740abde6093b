# Boost.Asio is most of the compile time of every file that uses it, so it is compiled once and shared
# by the net layer, the tests, the examples and the tool. The core does without: it includes no Asio.
if(DUPLEX_PCH AND PROJECT_IS_TOP_LEVEL)
  add_library(duplex_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cpp)
  target_compile_features(duplex_pch PUBLIC cxx_std_20)
  target_link_libraries(duplex_pch PRIVATE Boost::headers Threads::Threads)
  target_precompile_headers(duplex_pch PRIVATE ${PROJECT_SOURCE_DIR}/cmake/pch.hpp)
endif()

function(duplex_precompile target)
  if(TARGET duplex_pch)
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_precompile_headers(${target} REUSE_FROM duplex_pch)
  endif()
endfunction()
