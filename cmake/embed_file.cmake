# Writes one file as a C byte array NAME with NAME_len, declared in HEADER:
# cmake -DOUT=file.c -DFILE=data.json -DNAME=data -DHEADER=room/data.h -P embed_file.cmake
file(READ ${FILE} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR len "${digits} / 2")
string(REGEX REPLACE "(................................................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
file(WRITE ${OUT} "/* Made by cmake/embed_file.cmake. */\n#include \"${HEADER}\"\n\nconst unsigned char ${NAME}[] = {\n${hex}0};\nconst size_t ${NAME}_len = ${len};\n")
