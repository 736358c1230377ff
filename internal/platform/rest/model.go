package rest

// Map converts rows to models. It never returns nil, so that an empty list is [] in JSON.
func Map[R, M any](rows []R, model func(R) M) []M {
	models := make([]M, len(rows))
	for i, r := range rows {
		models[i] = model(r)
	}
	return models
}

// Values returns the values of an optional, repeated parameter, or nil.
func Values(list *[]string) []string {
	if list == nil {
		return nil
	}
	return *list
}

// NonZero returns n for an optional field of a model, or nil if n is 0.
func NonZero(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

// Value returns the value of an optional parameter, or "".
func Value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// NonEmpty returns s for an optional field of a model, or nil if s is empty.
func NonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
