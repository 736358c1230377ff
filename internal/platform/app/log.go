package app

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"
)

// NewLog returns the process's logger. An empty format means text on a terminal, JSON
// otherwise; the others are text and json. level is a name of slog's levels.
func NewLog(out io.Writer, level, format string) (*slog.Logger, error) {
	var threshold slog.Level
	if err := threshold.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("LOG_LEVEL %q is not debug, info, warn or error", level)
	}
	file, isFile := out.(*os.File)
	terminal := isFile && isatty.IsTerminal(file.Fd())
	switch {
	case format == "text", format == "" && terminal:
		return slog.New(tint.NewTextHandler(out, &tint.Options{Level: threshold, TimeFormat: time.TimeOnly, NoColor: !terminal})), nil
	case format == "json", format == "":
		return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: threshold})), nil
	default:
		return nil, fmt.Errorf("LOG_FORMAT %q is not text or json", format)
	}
}
