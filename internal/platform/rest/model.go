package rest

// Map returns rows turned into models; never nil, so that an empty list is [].
func Map[R, M any](rows []R, model func(R) M) []M {
	models := make([]M, len(rows))
	for i, r := range rows {
		models[i] = model(r)
	}
	return models
}

// Values returns the values of an optional, repeated parameter.
func Values(list *[]string) []string {
	if list == nil {
		return nil
	}
	return *list
}

// NonZero returns n where it says something, and absent otherwise.
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

// NonEmpty returns a text for an optional field of a model, left out where it is empty.
func NonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
