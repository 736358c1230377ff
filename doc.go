// Package quadrille is the root of a shop's back end built as a dance that nobody
// conducts. There is no code here, only the tests of how the tree is laid out;
// README.md says where to begin.
package quadrille
