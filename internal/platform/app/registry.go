package app

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Names returns the names of services, in their order.
func Names(services []Service) []string {
	names := make([]string, len(services))
	for n, s := range services {
		names[n] = s.Name
	}
	return names
}

// ConsumersOnly returns the names of the services that publish no events.
func ConsumersOnly(services []Service) (names []string) {
	for _, s := range services {
		if s.ConsumerOnly {
			names = append(names, s.Name)
		}
	}
	return names
}

// Streams returns the names of the streams that services publish: each service that has
// events publishes one stream, which has its name.
func Streams(services []Service) []string {
	return Names(slices.DeleteFunc(slices.Clone(services), func(s Service) bool { return s.ConsumerOnly }))
}

// serviceName matches valid names of services. A name is also a schema, an exchange, a queue,
// a package and, in upper case, the prefix of environment variables.
var serviceName = regexp.MustCompile(`^[a-z][a-z0-9]*$`)

// CheckServices returns an error for each mistake in the list of the services behind the
// gateway: a name that cannot be used or is used twice, a stream that no service
// publishes, or a public path that two services claim.
func CheckServices(services []Service) error {
	var errs []error
	seen := map[string]bool{Gateway: true}
	for n, s := range services {
		switch {
		case !serviceName.MatchString(s.Name):
			errs = append(errs, fmt.Errorf("service %d is named %q; a name is a lower-case letter followed by lower-case letters and digits", n+1, s.Name))
		case seen[s.Name]:
			errs = append(errs, fmt.Errorf("two services are named %s: rename one in its wire.go, or remove one in services/registry.go", s.Name))
		case variableTaken(s.Name):
			errs = append(errs, fmt.Errorf("no service can be named %s: %s_URL has another meaning", s.Name, strings.ToUpper(s.Name)))
		}
		seen[s.Name] = true
	}
	published := Streams(services)
	for _, s := range services {
		for n, stream := range s.Reads {
			if slices.Contains(s.Reads[:n], stream) {
				errs = append(errs, fmt.Errorf("%s reads the stream %s twice: remove one from Reads in its wire.go", s.Name, stream))
			}
			if !slices.Contains(published, stream) {
				errs = append(errs, fmt.Errorf("%s reads the stream %q, which no service publishes; there are %s", s.Name, stream, strings.Join(published, ", ")))
			}
		}
	}
	return errors.Join(append(errs, checkRoutes(services))...)
}

// variableTaken reports whether NAME_URL or NAME_DATABASE_URL of a service is a variable
// that Config reads for another purpose.
func variableTaken(service string) bool {
	upper := strings.ToUpper(service)
	for field := range reflect.TypeFor[Config]().Fields() {
		if name := field.Tag.Get("env"); name == upper+"_URL" || name == upper+"_DATABASE_URL" {
			return true
		}
	}
	return false
}

// checkStarted returns an error for a service that is not in the list of the configuration,
// because the other services could not find it.
func (c Config) checkStarted(services []Service) error {
	for _, s := range services {
		if s.Name != Gateway && !slices.Contains(c.Services, s.Name) {
			return fmt.Errorf("the service %q is not among those of the configuration (%s)", s.Name, strings.Join(c.Services, ", "))
		}
	}
	return nil
}

// checkReads returns an error if the streams that the service consumes differ from those that
// it declares in Reads.
func (s Service) checkReads(followed []string) error {
	for _, stream := range followed {
		if !slices.Contains(s.Reads, stream) {
			return fmt.Errorf("it has a consumer of the stream %s: add %q to Reads in its wire.go", stream, stream)
		}
	}
	for _, stream := range s.Reads {
		if !slices.Contains(followed, stream) {
			return fmt.Errorf("it has no consumer of the stream %s: remove %q from Reads in its wire.go", stream, stream)
		}
	}
	return nil
}
