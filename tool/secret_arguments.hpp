#pragma once
// Passwords on a command line, which `ps` shows to every user of the machine.

namespace duplex::tool {

/// Overwrites them. The arguments have to be read before.
void hide_secrets(int argc, char** argv);

}  // namespace duplex::tool
