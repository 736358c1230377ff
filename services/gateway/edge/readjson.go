package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"

	"github.com/labstack/echo/v4"

	"quadrille/internal/rest"
	"quadrille/pkg/fault"
)

// readJSON reads a body that the gateway itself answers for. What it does not know
// is refused.
func readJSON(c echo.Context, into any) error {
	media, _, _ := mime.ParseMediaType(c.Request().Header.Get("Content-Type"))
	if media != echo.MIMEApplicationJSON {
		return echo.ErrUnsupportedMediaType
	}
	text, err := io.ReadAll(c.Request().Body)
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	if err := rest.CheckJSON(text); err != nil {
		return err
	}
	body := json.NewDecoder(bytes.NewReader(text))
	body.DisallowUnknownFields()
	err = body.Decode(into)
	if err == nil && !errors.Is(body.Decode(new(any)), io.EOF) {
		err = errors.New("there is more after its end")
	}
	if err != nil {
		return fault.New(fault.Malformed, "body_invalid", "the body cannot be read: %s", err)
	}
	return nil
}
