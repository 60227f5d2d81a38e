package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The payment provider, which has the interface of Stripe.
type psp struct {
	url, key string
	secret   []byte
	client   *http.Client
}

type intent struct {
	ID             string `json:"id"`
	Status         string `json:"status"`
	AmountReceived int64  `json:"amount_received"`
}

func newPSP(config config) *psp {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 32
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	return &psp{url: config.pspURL, key: config.pspKey, secret: []byte(config.pspSecret), client: client}
}

func (psp *psp) ask(ctx context.Context, path string, form url.Values, key string) (intent, error) {
	var answer intent
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, psp.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return answer, err
	}
	request.Header.Set("Authorization", "Bearer "+psp.key)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Idempotency-Key", key)
	response, err := psp.client.Do(request)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		return answer, fmt.Errorf("the payment provider says %s", response.Status)
	}
	return answer, json.NewDecoder(response.Body).Decode(&answer)
}

func (psp *psp) create(ctx context.Context, payment *payment, key string) (intent, error) {
	return psp.ask(ctx, "/v1/payment_intents", url.Values{
		"amount":               {strconv.FormatInt(payment.amount, 10)},
		"currency":             {strings.ToLower(payment.currency)},
		"capture_method":       {"manual"},
		"metadata[payment_id]": {payment.id.String()},
		"metadata[order_id]":   {payment.order.String()},
	}, key)
}

func (psp *psp) authorize(ctx context.Context, payment *payment, key string) (intent, error) {
	return psp.ask(ctx, "/v1/payment_intents/"+*payment.reference+"/confirm", url.Values{"payment_method": {payment.method}}, key)
}

func (psp *psp) capture(ctx context.Context, payment *payment, key string) (intent, error) {
	return psp.ask(ctx, "/v1/payment_intents/"+*payment.reference+"/capture", nil, key)
}

// Whether a webhook is the provider's: t=SECONDS,v1=HEX over SECONDS.BODY.
func (psp *psp) isSigned(header string, body []byte) bool {
	var seconds, signature string
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			seconds = value
		case "v1":
			signature = value
		}
	}
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || time.Since(time.Unix(at, 0)).Abs() > 5*time.Minute {
		return false
	}
	sent, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, psp.secret)
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return hmac.Equal(sent, mac.Sum(nil))
}
