package idempotency

import (
	"bytes"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// maxMemory bounds the part of a body kept in memory, in bytes; the rest goes to a file.
const maxMemory = 1 << 20

// spool reads a body to its end, adds it to sum and returns a copy: the fingerprint must
// be known before the request is handled. The part beyond maxMemory is in a temporary
// file, which is removed when the copy is closed or the process ends.
func spool(body io.Reader, sum hash.Hash) (io.ReadCloser, error) {
	body = io.TeeReader(body, sum)
	var head bytes.Buffer
	_, err := io.CopyN(&head, body, maxMemory)
	switch {
	case errors.Is(err, io.EOF):
		return io.NopCloser(&head), nil
	case err != nil:
		return nil, err
	}
	file, err := os.CreateTemp("", "quadrille-upload-*")
	if err != nil {
		return nil, fmt.Errorf("buffer a large body: %w", err)
	}
	rest := &spooled{file: file, Reader: io.MultiReader(&head, file)}
	_ = os.Remove(file.Name()) // on systems that cannot remove open files, Close removes it
	if _, err = io.Copy(file, body); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = rest.Close()
		return nil, err
	}
	return rest, nil
}

// spooled is a body with its larger part in a file.
type spooled struct {
	io.Reader

	file *os.File
}

// Close implements io.Closer.
func (s *spooled) Close() error {
	err := s.file.Close()
	_ = os.Remove(s.file.Name())
	return err
}
