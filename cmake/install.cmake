# What `cmake --install` leaves: the public headers, the suite for stores, both libraries, a CMake package
# (sheaf::sheaf, and by kind sheaf::static and sheaf::shared) and a pkg-config file. docs/embedding.md shows how
# each is used.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

foreach(folder protocol storage net engine)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder}/include/sheaf DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
          COMPONENT development FILES_MATCHING PATTERN "*.hpp")
endforeach()

# The suite that stores of an embedder's own are held against.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/tests/conformance/sheaf DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        COMPONENT development FILES_MATCHING PATTERN "*.hpp")

install(TARGETS sheaf_static sheaf_shared EXPORT sheafTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS sheaf RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/sheaf)
install(EXPORT sheafTargets NAMESPACE sheaf:: DESTINATION ${package_folder} COMPONENT development)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/sheafConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/sheafConfig.cmake INSTALL_DESTINATION ${package_folder})
# Before 1.0 a new minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sheafConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/sheafConfig.cmake ${PROJECT_BINARY_DIR}/sheafConfigVersion.cmake
              ${PROJECT_SOURCE_DIR}/cmake/link_dependencies.cmake
        DESTINATION ${package_folder} COMPONENT development)

# Found from where the file lies, so that what is installed can be moved.
file(RELATIVE_PATH prefix_from_pkgconfig /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/sheaf.pc.in ${PROJECT_BINARY_DIR}/sheaf.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/sheaf.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
