# Adds the `layers` target, part of every build, and the test of the check
# itself. Called when all of src/ has been read, so that every module counts.
function(add_layers_check)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  get_property(layers GLOBAL PROPERTY TESTMESH_LAYERS)
  string(REPLACE ";" "\n" lines "${layers}")
  file(WRITE ${CMAKE_BINARY_DIR}/layers.txt "${lines}\n")
  add_custom_target(layers ALL
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/check_layers.py
            --source ${CMAKE_SOURCE_DIR}/src --layers ${CMAKE_BINARY_DIR}/layers.txt
    COMMENT "comparing every #include with the modules' DEPS"
    VERBATIM)
  if(TESTMESH_TESTS)
    add_test(NAME check_layers
      COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/check_layers_test.py)
  endif()
endfunction()
