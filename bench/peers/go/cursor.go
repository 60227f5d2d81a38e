package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
)

const tagBytes = 16

// Cursors of pages: signed, so that nobody makes one.
type cursors struct {
	key []byte
}

func (cursors cursors) mac(scope string, position []byte) []byte {
	mac := hmac.New(sha256.New, cursors.key)
	mac.Write([]byte(scope))
	mac.Write([]byte{0})
	mac.Write(position)
	return mac.Sum(nil)[:tagBytes]
}

func (cursors cursors) seal(scope string, position any) (string, error) {
	text, err := json.Marshal(position)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(cursors.mac(scope, text), text...)), nil
}

func (cursors cursors) open(scope, cursor string, into any) error {
	forged := newProblem(http.StatusBadRequest, "invalid_cursor", "the cursor is none of this list; begin with the first page")
	bytes, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(bytes) < tagBytes {
		return forged
	}
	tag, position := bytes[:tagBytes], bytes[tagBytes:]
	if !hmac.Equal(tag, cursors.mac(scope, position)) || json.Unmarshal(position, into) != nil {
		return forged
	}
	return nil
}
