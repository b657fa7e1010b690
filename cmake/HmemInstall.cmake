# SPDX-License-Identifier: GPL-2.0-or-later
# Where everything goes, in one place. The product comes from two builds, because the static one can find only archives:
#   release  hmemscope, kdump-arm, hmemdump, papers, configuration
#   capture  the static hmem-init and hmemdump that kdump-arm puts into the capture initramfs
# `cmake --install build/release` installs both; it takes the second from HMEM_CAPTURE_BUILD. DESTDIR holds for both. The
# prefix is /usr: kdump-arm looks for /usr/lib/hmem, and its unit for /usr/sbin. /etc does not follow the prefix (GNU coding
# standards, as GNUInstallDirs has it).
set(HMEM_CAPTURE_BUILD ${PROJECT_SOURCE_DIR}/build/capture CACHE PATH "build of preset capture, installed with this one")
set(HMEM_CAPTURE_DIR lib/hmem)  # below the prefix; not LIBDIR: no architecture in the path, as for other helpers of /usr/sbin

function(hmem_install_program name destination)
  if(TARGET ${name})
    install(TARGETS ${name} RUNTIME DESTINATION ${destination})
  endif()
endfunction()

if(HMEM_STATIC)
  hmem_install_program(hmem-init ${HMEM_CAPTURE_DIR})
  hmem_install_program(hmemdump ${HMEM_CAPTURE_DIR})
  return()
endif()

hmem_install_program(hmemscope ${CMAKE_INSTALL_BINDIR})
hmem_install_program(hmemdump ${CMAKE_INSTALL_SBINDIR})
hmem_install_program(kdump-arm ${CMAKE_INSTALL_SBINDIR})

# The template; what lies in /etc belongs to the administrator, and is put there only when nothing does.
set(template ${PROJECT_SOURCE_DIR}/dumptools/tools/kdump-arm/kdump-arm.conf)
install(FILES ${template} DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(CODE "set(hmem_template \"${template}\")
set(hmem_configuration \"${CMAKE_INSTALL_FULL_SYSCONFDIR}/hmem\")
set(hmem_crashes \"\$ENV{DESTDIR}/var/crash\")")
install(CODE [[
  set(there "$ENV{DESTDIR}${hmem_configuration}/kdump-arm.conf")
  if(EXISTS "${there}" OR IS_SYMLINK "${there}")
    message(STATUS "Kept: ${there}")
  else()  # file(INSTALL) puts DESTDIR before the place by itself
    file(INSTALL DESTINATION "${hmem_configuration}" TYPE FILE FILES "${hmem_template}")
  endif()
  # The default target. A dump holds everybody's memory.
  if(NOT EXISTS "${hmem_crashes}")
    file(MAKE_DIRECTORY "${hmem_crashes}")
    file(CHMOD "${hmem_crashes}" DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  endif()
]])
install(FILES ${PROJECT_SOURCE_DIR}/dumptools/tools/kdump-arm/kdump-arm.service DESTINATION lib/systemd/system)
foreach(section IN ITEMS 1 5 8)
  file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.${section})
  install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
foreach(program IN ITEMS hmemscope hmemdump kdump-arm)
  install(FILES ${PROJECT_SOURCE_DIR}/dumptools/tools/completion.bash
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME ${program})
endforeach()
file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/*.md)
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${pages} DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/formats DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN *.md)

# The driver as dkms wants it: dkms install hmem/VERSION. The header in it is a link to the tools' one.
set(driver ${PROJECT_SOURCE_DIR}/hmem/driver)
set(dkms src/hmem-${PROJECT_VERSION})
file(GLOB sources CONFIGURE_DEPENDS ${driver}/*.c ${driver}/*.h)
install(FILES ${sources} ${driver}/Kbuild ${driver}/dkms.conf DESTINATION ${dkms})
install(FILES ${PROJECT_SOURCE_DIR}/hmem/uapi/hmem.h DESTINATION ${dkms}/include/linux)

install(CODE "set(hmem_capture_build \"${HMEM_CAPTURE_BUILD}\")")
install(CODE [[
  if(NOT EXISTS "${hmem_capture_build}/cmake_install.cmake")
    message(FATAL_ERROR "no capture build in ${hmem_capture_build}: cmake --preset capture && cmake --build --preset capture")
  endif()
  execute_process(COMMAND ${CMAKE_COMMAND} --install "${hmem_capture_build}" --prefix "${CMAKE_INSTALL_PREFIX}"
                  COMMAND_ERROR_IS_FATAL ANY)
]])
