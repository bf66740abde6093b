package peer

// Raw is a codec for gRPC that leaves messages as they are: no generated code is needed.
type Raw struct{}

// Marshal takes a *[]byte.
func (Raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

// Unmarshal stores into a *[]byte.
func (Raw) Unmarshal(bytes []byte, v any) error {
	*v.(*[]byte) = bytes
	return nil
}

// Name is that of the content-subtype.
func (Raw) Name() string { return "raw" }
