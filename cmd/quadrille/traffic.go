package main

import "github.com/spf13/cobra"

func newTrafficCommand() *cobra.Command { return &cobra.Command{Use: "traffic"} }
func newAuditCommand() *cobra.Command   { return &cobra.Command{Use: "audit"} }
