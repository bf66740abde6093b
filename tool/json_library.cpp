// Boost.JSON, compiled into the program here and nowhere else: its headers are all that is needed to build.

#include <boost/json/src.hpp>
