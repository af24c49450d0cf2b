# A room of host/ is one static library; its sources are found, its dependencies are said.

function(moonlet_libs target)
  foreach(lib ${ARGN})
    string(MAKE_C_IDENTIFIER ${lib} id)
    if(NOT TARGET PkgConfig::${id})
      pkg_check_modules(${id} REQUIRED IMPORTED_TARGET GLOBAL ${lib})
    endif()
    target_link_libraries(${target} PUBLIC PkgConfig::${id})
  endforeach()
endfunction()

# What one room may include is a folder of links to the rooms below it, so any other include of a
# room's header fails to compile.
function(moonlet_view name ret_dir)
  set(dir ${PROJECT_BINARY_DIR}/include/${name})
  file(MAKE_DIRECTORY ${dir})
  foreach(room ${ARGN})
    if(NOT EXISTS ${dir}/${room})
      file(CREATE_LINK ${PROJECT_SOURCE_DIR}/host/${room} ${dir}/${room} SYMBOLIC)
    endif()
  endforeach()
  set(${ret_dir} ${dir} PARENT_SCOPE)
endfunction()

# moonlet_room(NAME ROOMS lower... LIBS packaged...)
function(moonlet_room name)
  cmake_parse_arguments(ROOM "" "" "ROOMS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/host/${name}/*.c)
  if(NOT sources)
    return()
  endif()
  add_library(moonlet_${name} STATIC ${sources})
  moonlet_view(${name} view ${name} ${ROOM_ROOMS})
  target_include_directories(moonlet_${name} PRIVATE ${view})
  target_link_libraries(moonlet_${name} PRIVATE moonlet_flags)
  moonlet_libs(moonlet_${name} ${ROOM_LIBS})
  foreach(lower ${ROOM_ROOMS})
    if(TARGET moonlet_${lower})
      target_link_libraries(moonlet_${name} PUBLIC moonlet_${lower})
    endif()
  endforeach()
endfunction()

# A data file of a room, as the byte array that host/ROOM/NAME.h declares.
function(moonlet_embed room file name)
  set(source ${PROJECT_SOURCE_DIR}/host/${room}/${file})
  set(embedded ${PROJECT_BINARY_DIR}/${name}.c)
  add_custom_command(OUTPUT ${embedded}
    COMMAND ${CMAKE_COMMAND} -DOUT=${embedded} -DFILE=${source} -DNAME=${name}
            -DHEADER=${room}/${name}.h -P ${PROJECT_SOURCE_DIR}/cmake/embed_file.cmake
    DEPENDS ${source} ${PROJECT_SOURCE_DIR}/cmake/embed_file.cmake
    COMMENT "Embedding ${file}")
  target_sources(moonlet_${room} PRIVATE ${embedded})
endfunction()

# The Lua files of scripts/FOLDER, as the table that host/ROOM/NAME.h declares.
function(moonlet_embed_folder room folder name)
  set(source ${PROJECT_SOURCE_DIR}/scripts/${folder})
  set(embedded ${PROJECT_BINARY_DIR}/${name}.c)
  file(GLOB files CONFIGURE_DEPENDS ${source}/*.lua)
  add_custom_command(OUTPUT ${embedded}
    COMMAND ${CMAKE_COMMAND} -DOUT=${embedded} -DFOLDER=${source} -DNAME=${name}
            -DHEADER=${room}/${name}.h -P ${PROJECT_SOURCE_DIR}/cmake/embed_folder.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/embed_folder.cmake
    COMMENT "Embedding ${folder}")
  target_sources(moonlet_${room} PRIVATE ${embedded})
endfunction()

# The Lua boundary: bindings/*.c and the embedded library scripts/moonlet/*.lua.
function(moonlet_bindings)
  cmake_parse_arguments(ROOM "" "" "ROOMS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bindings/*.c)
  if(NOT sources)
    return()
  endif()
  set(library ${PROJECT_SOURCE_DIR}/scripts)
  file(GLOB_RECURSE scripts CONFIGURE_DEPENDS RELATIVE ${library} ${library}/moonlet/*.lua)
  list(SORT scripts)
  list(TRANSFORM scripts PREPEND ${library}/ OUTPUT_VARIABLE paths)
  set(embedded ${PROJECT_BINARY_DIR}/embedded_scripts.c)
  add_executable(moonlet_embed ${PROJECT_SOURCE_DIR}/cmake/embed.c)
  target_link_libraries(moonlet_embed PRIVATE moonlet_flags)
  moonlet_libs(moonlet_embed ${ROOM_LIBS})
  add_custom_command(OUTPUT ${embedded}
    COMMAND moonlet_embed ${embedded} ${library} ${scripts}
    DEPENDS ${paths} moonlet_embed
    COMMENT "Embedding the Lua library")
  add_library(moonlet_bindings STATIC ${sources} ${embedded})
  moonlet_view(bindings view ${ROOM_ROOMS})
  target_include_directories(moonlet_bindings PRIVATE ${view} ${PROJECT_SOURCE_DIR})
  target_link_libraries(moonlet_bindings PRIVATE moonlet_flags)
  moonlet_libs(moonlet_bindings ${ROOM_LIBS})
  foreach(lower ${ROOM_ROOMS})
    if(TARGET moonlet_${lower})
      target_link_libraries(moonlet_bindings PUBLIC moonlet_${lower})
    endif()
  endforeach()
endfunction()

function(moonlet_program)
  if(NOT EXISTS ${PROJECT_SOURCE_DIR}/main.c)
    return()
  endif()
  add_executable(moonlet ${PROJECT_SOURCE_DIR}/main.c)
  target_include_directories(moonlet PRIVATE ${PROJECT_SOURCE_DIR}/host ${PROJECT_SOURCE_DIR})
  target_compile_options(moonlet PRIVATE -fPIE)
  target_link_options(moonlet PRIVATE -pie ${MOONLET_LTO})
  target_link_libraries(moonlet PRIVATE moonlet_flags moonlet_cli moonlet_bindings)
  install(TARGETS moonlet RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()
