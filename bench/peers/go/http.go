package main

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

const maxBody = 64 * 1024

// A problem (RFC 9457).
type problem struct {
	Type          string `json:"type"`
	Title         string `json:"title"`
	Status        int    `json:"status"`
	Code          string `json:"code"`
	Detail        string `json:"detail"`
	CorrelationID string `json:"correlationId"`
}

func (problem *problem) Error() string { return problem.Detail }

func newProblem(status int, code, detail string) error {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// Handles requests: what goes wrong is told as a problem, and each has a line in the log.
type handler func(w http.ResponseWriter, r *http.Request) error

type recorder struct {
	http.ResponseWriter
	status int
}

func (recorder *recorder) WriteHeader(status int) {
	recorder.status = status
	recorder.ResponseWriter.WriteHeader(status)
}

func (handle handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	if r.Header.Get("X-Correlation-Id") == "" {
		r.Header.Set("X-Correlation-Id", newID().String())
	}
	id := correlationID(r)
	recorded := &recorder{ResponseWriter: w, status: http.StatusOK}
	if err := handle(recorded, r); err != nil {
		var known *problem
		if !errors.As(err, &known) {
			slog.Error("a request failed", "error", err, "correlation_id", id)
			known = newProblem(http.StatusInternalServerError, "internal", "something went wrong here").(*problem)
		}
		known.CorrelationID = id
		w.Header().Set("Content-Type", "application/problem+json")
		recorded.WriteHeader(known.Status)
		if err := json.NewEncoder(w).Encode(known); err != nil {
			slog.Warn("nobody hears it", "error", err)
		}
	}
	slog.Info("answered", "method", r.Method, "route", r.Pattern, "status", recorded.status,
		"duration_ms", float64(time.Since(began).Microseconds())/1000, "correlation_id", id)
}

func correlationID(r *http.Request) string {
	return r.Header.Get("X-Correlation-Id")
}

func writeJSON(w http.ResponseWriter, status int, value any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(value)
}

func readJSON(r *http.Request, into any) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return nil, newProblem(http.StatusRequestEntityTooLarge, "body_too_large", "the body is too large")
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return nil, newProblem(http.StatusBadRequest, "invalid_body", err.Error())
	}
	return body, nil
}

// Whether a client has what there is (RFC 9110, section 13.1.2).
func isKnown(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}
