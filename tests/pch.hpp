// Precompiled for speed only, as ../cmake/pch.hpp.
#pragma once

#include "../cmake/pch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
