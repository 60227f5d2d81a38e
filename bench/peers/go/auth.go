package main

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/crypto/argon2"
)

// Login, tokens, and who somebody is.
type auth struct {
	pool        *pgxpool.Pool
	private     ed25519.PrivateKey
	parser      *jwt.Parser
	keyID       string
	throttleKey []byte
	// A hash takes megabytes and all of a core: no more at a time than there are.
	hashes chan struct{}
}

type claims struct {
	jwt.RegisteredClaims
	Session string   `json:"sid"`
	Roles   []string `json:"roles"`
}

type account struct {
	ID            uuid.UUID `json:"id"`
	Email         string    `json:"email"`
	EmailVerified bool      `json:"email_verified"`
	EmailBounced  bool      `json:"email_bounced"`
	Name          string    `json:"name"`
	Locale        string    `json:"locale"`
	Status        string    `json:"status"`
	Roles         []string  `json:"roles"`
	CreatedAt     time.Time `json:"created_at"`
	UpdatedAt     time.Time `json:"updated_at"`
	version       int64
}

const selectAccount = `
	select id, email, email_verified_at is not null, email_bounced_at is not null, name, locale, status,
	    array(select role from users.user_roles where user_id = accounts.id order by role), created_at, updated_at, version
	from users.accounts `

func newAuth(pool *pgxpool.Pool) (*auth, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	throttleKey := make([]byte, 32)
	if _, err := rand.Read(throttleKey); err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithIssuer(issuer),
		jwt.WithAudience(audience), jwt.WithExpirationRequired())
	return &auth{
		pool: pool, private: private, parser: parser, keyID: newID().String(), throttleKey: throttleKey,
		hashes: make(chan struct{}, 1),
	}, nil
}

func (auth *auth) account(ctx context.Context, where string, value any) (*account, error) {
	var found account
	err := auth.pool.QueryRow(ctx, selectAccount+where, value).Scan(&found.ID, &found.Email, &found.EmailVerified,
		&found.EmailBounced, &found.Name, &found.Locale, &found.Status, &found.Roles, &found.CreatedAt, &found.UpdatedAt,
		&found.version)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &found, err
}

// What a token says. The session is looked up by those who have the database of users.
func (auth *auth) claims(r *http.Request) (claims, error) {
	var read claims
	token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !isBearer {
		return read, newProblem(http.StatusUnauthorized, "token_missing", "send a token")
	}
	_, err := auth.parser.ParseWithClaims(token, &read, func(*jwt.Token) (any, error) {
		return auth.private.Public(), nil
	})
	if err != nil {
		return read, newProblem(http.StatusUnauthorized, "token_invalid", "the token is not good")
	}
	return read, nil
}

func (auth *auth) me(w http.ResponseWriter, r *http.Request) error {
	claims, err := auth.claims(r)
	if err != nil {
		return err
	}
	var user uuid.UUID
	var roles []string
	err = auth.pool.QueryRow(r.Context(), `
		select sessions.user_id,
		    array(select role from users.user_roles where user_id = sessions.user_id order by role)
		from users.sessions join users.accounts on accounts.id = sessions.user_id
		where sessions.id = $1 and sessions.ended_at is null and sessions.expires_at > now()
		  and accounts.status = 'active'`, claims.Session).Scan(&user, &roles)
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && user.String() != claims.Subject) {
		return newProblem(http.StatusUnauthorized, "token_invalid", "its session has ended")
	} else if err != nil {
		return err
	}
	found, err := auth.account(r.Context(), "where id = $1 and status <> 'erased'", user)
	if err != nil {
		return err
	}
	if found == nil {
		return newProblem(http.StatusUnauthorized, "token_invalid", "its user is gone")
	}
	w.Header().Set("ETag", fmt.Sprintf(`"v%d"`, found.version))
	return writeJSON(w, http.StatusOK, found)
}

type tokens struct {
	AccessToken  string    `json:"access_token"`
	TokenType    string    `json:"token_type"`
	ExpiresIn    int       `json:"expires_in"`
	RefreshToken string    `json:"refresh_token"`
	SessionID    uuid.UUID `json:"session_id"`
}

func (auth *auth) login(w http.ResponseWriter, r *http.Request) error {
	var sent struct {
		Email    string `json:"email"`
		Password string `json:"password"`
	}
	if _, err := readJSON(r, &sent); err != nil {
		return err
	}
	ctx := r.Context()
	mac := hmac.New(sha256.New, auth.throttleKey)
	mac.Write([]byte(strings.ToLower(sent.Email)))
	key := mac.Sum(nil)
	user, err := auth.account(ctx, "where email_key = $1", strings.ToLower(sent.Email))
	if err != nil {
		return err
	}
	var until time.Time
	err = auth.pool.QueryRow(ctx, `select blocked_until from users.throttles
		where scope = 'login' and key = $1 and blocked_until > now()`, key).Scan(&until)
	if err == nil {
		return newProblem(http.StatusTooManyRequests, "too_many_failures", "try again later")
	} else if !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	isRight := false
	if user != nil {
		var hash string
		err = auth.pool.QueryRow(ctx, "select password_hash from users.credentials where user_id = $1", user.ID).Scan(&hash)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if isRight, err = auth.verify(ctx, hash, sent.Password); err != nil {
			return err
		}
	}
	if !isRight {
		_, err := auth.pool.Exec(ctx, `
			insert into users.throttles as known (scope, key, count, since) values ('login', $1, 1, now())
			on conflict (scope, key) do update set count = known.count + 1, since = now(),
			    blocked_until = case when known.count >= 4 then now() + interval '30 seconds' end`, key)
		if err != nil {
			return err
		}
		return newProblem(http.StatusUnauthorized, "credentials_wrong",
			"there is no account with this address and this password")
	}
	if user.Status != "active" {
		return newProblem(http.StatusForbidden, "account_locked", "this account is locked")
	}
	if !user.EmailVerified {
		return newProblem(http.StatusForbidden, "email_not_verified", "follow the link in the mail")
	}
	answer, err := auth.begin(ctx, user, key, r)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return writeJSON(w, http.StatusOK, answer)
}

// Begins a session.
func (auth *auth) begin(ctx context.Context, user *account, throttle []byte, r *http.Request) (tokens, error) {
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return tokens{}, err
	}
	session, refresh := newID(), base64.RawURLEncoding.EncodeToString(random)
	hash := sha256.Sum256([]byte(refresh))
	agent := r.UserAgent()[:min(200, len(r.UserAgent()))]
	err := pgx.BeginFunc(ctx, auth.pool, func(tx pgx.Tx) error {
		var isConfirmed bool
		err := tx.QueryRow(ctx, `select confirmed_at is not null from users.second_factors where user_id = $1`,
			user.ID).Scan(&isConfirmed)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if isConfirmed {
			return newProblem(http.StatusNotImplemented, "second_factor", "this peer has no second factor")
		}
		if _, err := tx.Exec(ctx, "delete from users.throttles where scope = 'login' and key = $1", throttle); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			insert into users.sessions (id, user_id, user_agent, has_second_factor, expires_at)
			values ($1, $2, $3, false, now() + interval '90 days')`, session, user.ID, agent); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			insert into users.refresh_tokens (hash, session_id, expires_at)
			values ($1, $2, now() + interval '30 days')`, hash[:], session); err != nil {
			return err
		}
		detail := map[string]any{"session": session, "second_factor": false}
		_, err = tx.Exec(ctx, `
			insert into users.audit_log (id, actor, subject, action, correlation_id, detail)
			values ($1, $2, $2, 'logged_in', $3, $4)`, newID(), user.ID, correlationID(r), detail)
		return err
	})
	if err != nil {
		return tokens{}, err
	}
	now := time.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Audience: jwt.ClaimStrings{audience}, Subject: user.ID.String(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(accessSeconds * time.Second)),
		},
		Session: session.String(),
		Roles:   user.Roles,
	})
	token.Header["kid"] = auth.keyID
	access, err := token.SignedString(auth.private)
	return tokens{AccessToken: access, TokenType: "Bearer", ExpiresIn: accessSeconds, RefreshToken: refresh, SessionID: session}, err
}

// Whether a password is the one of a hash ($argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$HASH).
func (auth *auth) verify(ctx context.Context, hash, password string) (bool, error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, nil
	}
	var memory, passes uint32
	var lanes uint8
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes); err != nil {
		return false, err
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, err
	}
	wanted, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil {
		return false, err
	}
	select {
	case auth.hashes <- struct{}{}:
		defer func() { <-auth.hashes }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	made := argon2.IDKey([]byte(password), salt, passes, memory, lanes, uint32(len(wanted)))
	return subtle.ConstantTimeCompare(made, wanted) == 1, nil
}
