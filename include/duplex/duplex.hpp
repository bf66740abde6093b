#pragma once
// The umbrella header: everything duplex offers.

#include <duplex/certificate.hpp>
#include <duplex/error.hpp>
#include <duplex/fields.hpp>
#include <duplex/frame.hpp>
#include <duplex/h2/body.hpp>
#include <duplex/h2/byte_stream.hpp>
#include <duplex/h2/client.hpp>
#include <duplex/h2/code.hpp>
#include <duplex/h2/connection.hpp>
#include <duplex/h2/fetch.hpp>
#include <duplex/h2/lower_stream.hpp>
#include <duplex/h2/open.hpp>
#include <duplex/h2/router.hpp>
#include <duplex/h2/server.hpp>
#include <duplex/h2/stream.hpp>
#include <duplex/message.hpp>
#include <duplex/options.hpp>
