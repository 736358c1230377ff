// Package csvfile reads CSV files with any common character set, separator and line end, in
// bounded memory. An invalid line does not affect other lines.
//
// encoding/csv is not used, because it supports only LF and CRLF as line ends, and reads to
// the end of the file if a quotation mark is not closed.
package csvfile
