// Sends one event in each mode that the Go SDK has, and prints the statuses as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

func send(intake, key, customer, id string, mode context.Context) int {
	event := cloudevents.NewEvent()
	event.SetID(id)
	event.SetSource("/crm/go")
	event.SetType("contact.received")
	event.SetTime(time.Now())
	data := map[string]string{"customer_id": customer, "contact_id": "go-1", "channel": "phone"}
	if err := event.SetData(cloudevents.ApplicationJSON, data); err != nil {
		panic(err)
	}
	request, _ := http.NewRequest(http.MethodPost, intake+"/v1/events", nil)
	if err := cehttp.WriteRequest(mode, binding.ToMessage(&event), request); err != nil {
		panic(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

func main() {
	intake, key, customer := os.Args[1], os.Args[2], os.Args[3]
	statuses := []int{
		send(intake, key, customer, "go-binary", binding.WithForceBinary(context.Background())),
		send(intake, key, customer, "go-structured", binding.WithForceStructured(context.Background())),
	}
	text, _ := json.Marshal(statuses)
	fmt.Println(string(text))
}
