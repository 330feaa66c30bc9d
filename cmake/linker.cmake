# lld links the server in a fraction of the time bfd takes. g++ finds it only
# through -B: Debian installs no plain `ld.lld`. ccache is used when present.
find_program(TESTMESH_LLD ld.lld PATHS /usr/lib/llvm-19/bin NO_DEFAULT_PATH)
if(TESTMESH_LLD)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    get_filename_component(lld_folder ${TESTMESH_LLD} DIRECTORY)
    add_link_options(-B${lld_folder} -fuse-ld=lld)
  else()
    add_link_options(-fuse-ld=lld-19)
  endif()
endif()

find_program(TESTMESH_CCACHE ccache)
if(TESTMESH_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${TESTMESH_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${TESTMESH_CCACHE})
endif()
