// Package quadrille is the root of an event-choreographed shop back end. It contains
// only the tests of the tree's layout, documents and deployment files; README.md says
// where to start.
package quadrille
