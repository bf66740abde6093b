//go:build tools

// Keeps the module of h2spec in go.mod: nothing here is compiled.
package conformance

import _ "github.com/summerwind/h2spec/cmd/h2spec"
