// Renders a chat template as ollama does, with the values that it hands to one: JSON in, text out, line by line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"
)

type arguments map[string]any

type call struct {
	Function struct {
		Name      string
		Arguments arguments
	}
}

type message struct {
	Role, Content, Thinking string
	ToolCalls               []call
}

type tool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string         `json:"name"`
		Description string         `json:"description"`
		Parameters  map[string]any `json:"parameters"`
	} `json:"function"`
}

func (t tool) String() string { return written(t) }

func written(value any) string {
	text, _ := json.Marshal(value)
	return string(text)
}

type asked struct {
	Template string
	Messages []message
	Tools    []tool
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var given asked
		if err := json.Unmarshal(line, &given); err != nil {
			panic(err)
		}
		parsed := template.New("").Option("missingkey=zero").Funcs(template.FuncMap{"json": written})
		made := template.Must(parsed.Parse(given.Template))
		var system []string
		for _, one := range given.Messages {
			if one.Role == "system" {
				system = append(system, one.Content)
			}
		}
		var text strings.Builder
		values := map[string]any{
			"System": strings.Join(system, "\n\n"), "Messages": given.Messages, "Tools": given.Tools, "Response": "",
		}
		if err := made.Execute(&text, values); err != nil {
			panic(err)
		}
		fmt.Println(written(text.String()))
	}
}
