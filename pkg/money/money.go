// Package money has amounts of money: integers of minor units with a currency, no floats.
package money

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"golang.org/x/text/currency"
)

// ErrInvalid is wrapped by every error of this package.
var ErrInvalid = errors.New("not an amount of money")

// Money is an amount in minor units (pence, cents) of an ISO 4217 currency.
type Money struct {
	Minor    int64
	Currency string
}

// Parse parses a decimal amount such as "2.55". It accepts at most the decimals of the
// currency, and no exponent, separators or plus sign.
func Parse(amount, code string) (Money, error) {
	scale, err := scaleOf(code)
	if err != nil {
		return Money{}, err
	}
	whole, fraction, dotted := strings.Cut(amount, ".")
	digits := strings.TrimPrefix(whole, "-")
	if !onlyDigits(digits) || dotted && !onlyDigits(fraction) {
		return Money{}, fmt.Errorf("%w: %.40q is not a decimal number", ErrInvalid, amount)
	}
	if len(fraction) > scale {
		return Money{}, fmt.Errorf("%w: %.40q has more than the %d decimals of %s", ErrInvalid, amount, scale, code)
	}
	minor, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", scale-len(fraction)), 10, 64)
	if err != nil {
		return Money{}, fmt.Errorf("%w: %.40q is too large", ErrInvalid, amount)
	}
	return Money{Minor: minor, Currency: code}, nil
}

func onlyDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// scaleOf returns the number of decimals of the currency.
func scaleOf(code string) (int, error) {
	unit, err := currency.ParseISO(code)
	if err != nil || unit.String() != code {
		return 0, fmt.Errorf("%w: %.10q is not an ISO 4217 currency", ErrInvalid, code)
	}
	scale, _ := currency.Standard.Rounding(unit)
	return scale, nil
}

// Amount returns the amount as a decimal, with all decimals of its currency.
func (m Money) Amount() string {
	scale, err := scaleOf(m.Currency)
	if err != nil || scale == 0 {
		return strconv.FormatInt(m.Minor, 10)
	}
	sign, digits := "", strconv.FormatInt(m.Minor, 10)
	if m.Minor < 0 {
		sign, digits = "-", digits[1:]
	}
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}

// Add returns m + other, or an error if the currencies differ or the sum overflows.
func (m Money) Add(other Money) (Money, error) {
	if m.Currency != other.Currency {
		return Money{}, fmt.Errorf("%w: cannot add %s and %s", ErrInvalid, m.Currency, other.Currency)
	}
	sum := m.Minor + other.Minor
	if (sum > m.Minor) != (other.Minor > 0) && other.Minor != 0 {
		return Money{}, fmt.Errorf("%w: the sum is too large", ErrInvalid)
	}
	return Money{Minor: sum, Currency: m.Currency}, nil
}

// Times returns m * n, or an error if n is negative or the product overflows.
func (m Money) Times(n int64) (Money, error) {
	if n < 0 || n > 0 && (m.Minor > math.MaxInt64/n || m.Minor < math.MinInt64/n) {
		return Money{}, fmt.Errorf("%w: the product is too large", ErrInvalid)
	}
	return Money{Minor: m.Minor * n, Currency: m.Currency}, nil
}
