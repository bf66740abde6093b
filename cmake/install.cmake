# find_package(duplex)                      gives duplex::duplex, the shared library.
# find_package(duplex COMPONENTS static)    gives duplex::duplex_static as well.
# pkg-config --cflags --libs duplex         the same for everybody else (with --static for libduplex.a).
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/duplex)

install(DIRECTORY include/duplex DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
foreach(kind IN ITEMS shared static)
  install(TARGETS duplex_${kind} EXPORT duplex-${kind}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT duplex-${kind} NAMESPACE duplex:: DESTINATION ${package_dir})
endforeach()
if(TARGET duplex_tool)
  install(TARGETS duplex_tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

configure_package_config_file(cmake/duplex-config.cmake.in duplex-config.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(duplex-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/duplex-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/duplex-config-version.cmake
  DESTINATION ${package_dir})

# Relative to the file itself, so that the installed tree can be moved.
file(RELATIVE_PATH pc_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/duplex.pc.in duplex.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/duplex.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
