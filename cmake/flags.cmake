# Warnings, hardening and sanitizers, for every target of the tree.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

add_library(moonlet_flags INTERFACE)
target_compile_definitions(moonlet_flags INTERFACE _GNU_SOURCE
                           MOONLET_VERSION="${PROJECT_VERSION}")
# -fexceptions: cleanup attributes run when lua_error unwinds a frame.
target_compile_options(moonlet_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes
  -Wmissing-prototypes -Wpointer-arith -Wvla $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation> -fexceptions -fno-common -fstack-protector-strong
  -fno-omit-frame-pointer)
if(MOONLET_WERROR)
  target_compile_options(moonlet_flags INTERFACE -Werror)
endif()
if(MOONLET_SANITIZE)
  target_compile_options(moonlet_flags INTERFACE -fsanitize=${MOONLET_SANITIZE}
                         -fno-sanitize-recover=all -UNDEBUG)
  target_link_options(moonlet_flags INTERFACE -fsanitize=${MOONLET_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(moonlet_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
# The program is optimised over all rooms at link time; tests link the same objects as they are.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND NOT MOONLET_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  set(MOONLET_LTO -flto=auto)
  set(MOONLET_NO_LTO -fno-lto)
  target_compile_options(moonlet_flags INTERFACE -flto=auto -ffat-lto-objects)
endif()
if(MOONLET_FUZZ)
  target_compile_options(moonlet_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
target_link_options(moonlet_flags INTERFACE -Wl,-z,relro,-z,now -Wl,--as-needed)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
target_link_libraries(moonlet_flags INTERFACE Threads::Threads m)
